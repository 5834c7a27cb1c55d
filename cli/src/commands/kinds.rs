//! `zoetrope kinds`: what can be submitted, and what each kind takes.

use zoetrope_shared::wire::KindView;

use crate::args::{KindsArgs, Output};
use crate::client::Client;
use crate::exit::{CliError, Exit};
use crate::plain::plain;
use crate::{out, show};

/// Lists every kind, or shows one with the fields of its input and an example.
pub(crate) async fn kinds(client: &Client, args: &KindsArgs, output: Output) -> Result<Exit, CliError> {
    if let Some(name) = &args.kind {
        let kind = client.kind(name).await?;
        match output {
            Output::Json => out::json(&kind)?,
            Output::Id => out::data(&plain(&kind.kind))?,
            Output::Table => out::data(&details(&kind))?,
        }
        return Ok(Exit::Done);
    }
    let page = client.kinds().await?;
    match output {
        Output::Json => out::json(&page)?,
        Output::Id => {
            let names: Vec<_> = page.items.iter().map(|kind| plain(&kind.kind)).collect();
            out::data(&names.join("\n"))?;
        }
        Output::Table => {
            let mut table = show::table(&["kind", "does"]);
            for kind in &page.items {
                table.add_row([plain(&kind.kind), plain(&kind.summary)]);
            }
            out::data(&table.to_string())?;
            out::note("what one of them takes: zoetrope kinds KIND");
        }
    }
    Ok(Exit::Done)
}

fn details(kind: &KindView) -> String {
    let mut table = show::table(&[&kind.kind, &kind.summary]);
    if let Some(media) = &kind.media {
        let takes = format!("{} (--file or --url fills it)", media.accepts.join(" "));
        table.add_row([plain(&media.field), plain(&takes)]);
    }
    let medium = kind.media.as_ref().map(|media| media.field.as_str());
    for (name, field) in kind.input_schema["properties"].as_object().into_iter().flatten() {
        if Some(name.as_str()) != medium {
            table.add_row([plain(name), plain(field["description"].as_str().unwrap_or_default())]);
        }
    }
    table.add_row([
        "example".to_owned(),
        format!("--input '{}'", plain(&kind.example.to_string())),
    ]);
    table.to_string()
}
