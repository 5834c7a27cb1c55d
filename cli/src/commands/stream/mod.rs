//! `zoetrope stream`: sources are kept as streams, started, listed, watched, looked at, stopped.

mod settings;
mod showing;
mod watch;

use std::path::PathBuf;

use zoetrope_shared::wire::StreamView;

use crate::args::{
    Output, StreamCommand, StreamListArgs, StreamSnapshotArgs, StreamStartArgs, StreamTestArgs, StreamWatchArgs,
};
use crate::client::Client;
use crate::exit::{CliError, Exit};
use crate::out;
use crate::plain::plain;

/// What ids of streams begin with; everything else is a URL, or a task's id.
const PREFIX: &str = "st_";

/// Runs one of the subcommands.
pub(crate) async fn stream(client: &Client, command: &StreamCommand, output: Output) -> Result<Exit, CliError> {
    match command {
        StreamCommand::Create(args) => {
            let wanted = settings::new(args)?;
            let stream = client.create_stream(&wanted, args.idempotency_key.as_deref()).await?;
            showing::one(&stream, output)?;
            out::note(&format!("start it with: zoetrope stream start {}", plain(&stream.id)));
        }
        StreamCommand::Start(args) => return start(client, args, output).await,
        StreamCommand::List(args) => list(client, args, output).await?,
        StreamCommand::Show { id } => {
            let stream = client.stream(id).await?;
            showing::full(&stream, &client.stream_status(id).await?, output)?;
        }
        StreamCommand::Update(args) => {
            let stream = client.update_stream(&args.id, &settings::patch(args)?).await?;
            showing::one(&stream, output)?;
        }
        StreamCommand::Watch(args) => return watch::watch(client, args, output).await,
        StreamCommand::Stop { ids } => return stop(client, ids, output).await,
        StreamCommand::Delete { ids } => return delete(client, ids, output).await,
        StreamCommand::Test(args) => return test(client, args, output).await,
        StreamCommand::Snapshot(args) => snapshot(client, args, output).await?,
    }
    Ok(Exit::Done)
}

async fn start(client: &Client, args: &StreamStartArgs, output: Output) -> Result<Exit, CliError> {
    let id = if is_id(&args.stream) {
        if !settings::fields(&args.settings)?.is_empty() {
            let hint = "change it with: zoetrope stream update";
            return Err(CliError::usage(format!(
                "a stream that is there is started as it is; {hint}"
            )));
        }
        args.stream.clone()
    } else {
        let wanted = settings::of(&args.stream, &args.settings)?;
        let created = client.create_stream(&wanted, args.idempotency_key.as_deref()).await?;
        out::note(&format!("zoetrope: created {}", plain(&created.id)));
        created.id
    };
    let stream = client.steer_stream(&id, "start").await?;
    if !args.watch {
        showing::one(&stream, output)?;
        out::note(&format!("watch it with: zoetrope stream watch {}", plain(&id)));
        let server = client.server().as_str().trim_end_matches('/');
        out::note(&format!("see it at: {}/watch?stream={}", plain(server), plain(&id)));
        return Ok(Exit::Done);
    }
    out::note(&format!("zoetrope: watching {}; Ctrl-C leaves it running", plain(&id)));
    let args = StreamWatchArgs {
        id,
        since: 0,
        timeout: None,
    };
    watch::watch(client, &args, output).await
}

async fn list(client: &Client, args: &StreamListArgs, output: Output) -> Result<(), CliError> {
    let page = client.streams(args).await?;
    if output == Output::Json {
        return out::json(&page);
    }
    showing::several(&page.items, output)?;
    if let Some(cursor) = page.next_cursor {
        out::note(&format!("more follow: --cursor {}", plain(&cursor)));
    }
    Ok(())
}

/// Stops every stream named, also after one of them could not be; the last trouble decides the exit code.
async fn stop(client: &Client, ids: &[String], output: Output) -> Result<Exit, CliError> {
    let (mut exit, mut stopped): (_, Vec<StreamView>) = (Exit::Done, Vec::new());
    for id in ids {
        match client.steer_stream(id, "stop").await {
            Ok(stream) => stopped.push(stream),
            Err(error) => exit = trouble(id, &error),
        }
    }
    showing::several(&stopped, output)?;
    Ok(exit)
}

/// The same with deleting; the data is the ids of those that are gone.
async fn delete(client: &Client, ids: &[String], output: Output) -> Result<Exit, CliError> {
    let (mut exit, mut gone) = (Exit::Done, Vec::new());
    for id in ids {
        match client.delete_stream(id).await {
            Ok(()) => gone.push(plain(id)),
            Err(error) => exit = trouble(id, &error),
        }
    }
    match output {
        Output::Json => out::json(&gone)?,
        Output::Table | Output::Id => showing::ids(&gone)?,
    }
    Ok(exit)
}

fn trouble(id: &str, error: &CliError) -> Exit {
    out::note(&format!("zoetrope: {}: {}", plain(id), error.message));
    error.exit
}

async fn test(client: &Client, args: &StreamTestArgs, output: Output) -> Result<Exit, CliError> {
    let found = if is_id(&args.source) {
        if args.udp || args.login.username.is_some() {
            return Err(CliError::usage("a stream that is there is tried as it is"));
        }
        client.test_stream(&args.source, args.which.as_deref()).await?
    } else if args.which.is_some() {
        return Err(CliError::usage("--which belongs to the id of a stream"));
    } else {
        client.test_source(&settings::source(args)?).await?
    };
    showing::trial(&found, output)?;
    Ok(if found.ok { Exit::Done } else { Exit::Failed })
}

/// The data is where the picture was written: a terminal takes no JPEG.
async fn snapshot(client: &Client, args: &StreamSnapshotArgs, output: Output) -> Result<(), CliError> {
    let picture = client.snapshot(args).await?;
    let usual = || PathBuf::from(format!("{}.jpg", args.id));
    let path = args.out.clone().unwrap_or_else(usual);
    let written = tokio::fs::write(&path, picture.jpeg).await;
    written.map_err(|error| CliError::usage(format!("{} cannot be written: {error}", path.display())))?;
    let what = if args.at.is_some() {
        "is shown from"
    } else {
        "arrived at"
    };
    out::note(&format!("zoetrope: it {what} {}", plain(&picture.taken_at)));
    let shown = path.display().to_string();
    match output {
        Output::Json => out::json(&serde_json::json!({"file": shown, "taken_at": picture.taken_at})),
        Output::Table | Output::Id => out::data(&plain(&shown)),
    }
}

/// Whether a text is meant as the id of a stream.
fn is_id(text: &str) -> bool {
    text.starts_with(PREFIX)
}
