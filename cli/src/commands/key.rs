//! `zoetrope key`: API keys are made, listed, revoked. The server says who may.

use serde_json::{Map, Value, json};
use zoetrope_shared::wire::KeyView;

use crate::args::{KeyCommand, KeyCreateArgs, Output};
use crate::client::Client;
use crate::exit::{CliError, Exit};
use crate::plain::plain;
use crate::{out, show};

/// Runs one of the subcommands.
pub(crate) async fn key(client: &Client, command: &KeyCommand, output: Output) -> Result<Exit, CliError> {
    match command {
        KeyCommand::Create(args) => create(client, args, output).await,
        KeyCommand::List => {
            print(&client.keys().await?.items, output)?;
            Ok(Exit::Done)
        }
        KeyCommand::Revoke { ids } => revoke(client, ids, output).await,
    }
}

/// The key itself is the data, so that a script can keep it; what is to be known about it is talk.
async fn create(client: &Client, args: &KeyCreateArgs, output: Output) -> Result<Exit, CliError> {
    let made = client.make_key(&wanted(args)).await?;
    match output {
        Output::Json => out::json(&made)?,
        Output::Id => out::data(&made.view.id)?,
        Output::Table => {
            out::data(&plain(&made.key))?;
            out::note("it is shown only now; use it as ZOETROPE_API_KEY or `Authorization: Bearer`");
        }
    }
    Ok(Exit::Done)
}

fn wanted(args: &KeyCreateArgs) -> Value {
    let given = [
        ("name", (!args.name.is_empty()).then(|| json!(args.name))),
        ("tenant", args.tenant.as_ref().map(|tenant| json!(tenant))),
        ("scopes", (!args.scope.is_empty()).then(|| json!(args.scope))),
        ("expires_in", args.expires_in.map(|life| json!(life.as_secs_f64()))),
        ("requests_per_second", args.requests_per_second.map(|rate| json!(rate))),
    ];
    let fields = given
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(fields.collect::<Map<_, _>>())
}

/// Revokes every key named, also after one of them could not be; the last trouble decides the exit code.
async fn revoke(client: &Client, ids: &[String], output: Output) -> Result<Exit, CliError> {
    let mut exit = Exit::Done;
    let mut revoked = Vec::new();
    for id in ids {
        match client.revoke_key(id).await {
            Ok(key) => revoked.push(key),
            Err(error) => {
                out::note(&format!("zoetrope: {}: {}", plain(id), error.message));
                exit = error.exit;
            }
        }
    }
    print(&revoked, output)?;
    Ok(exit)
}

fn print(keys: &[KeyView], output: Output) -> Result<(), CliError> {
    match output {
        Output::Json => out::json(&keys),
        Output::Id if keys.is_empty() => Ok(()),
        Output::Id => out::data(&keys.iter().map(|key| key.id.clone()).collect::<Vec<_>>().join("\n")),
        Output::Table => {
            let mut table = show::table(&["id", "name", "tenant", "scopes", "state", "created", "expires"]);
            for key in keys {
                let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
                table.add_row([
                    plain(&key.id),
                    plain(&key.name),
                    plain(&key.tenant),
                    scopes.join(" "),
                    format!("{:?}", key.state).to_lowercase(),
                    key.created_at.clone(),
                    key.expires_at.clone().unwrap_or_else(|| "never".to_owned()),
                ]);
            }
            out::data(&table.to_string())
        }
    }
}
