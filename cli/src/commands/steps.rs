//! `zoetrope steps`: a recording in, a guide out.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value, json};
use zoetrope_shared::tasks::step_detection::StepDetectionOutput;

use crate::args::{Output, StepsArgs};
use crate::client::Client;
use crate::exit::{CliError, Exit};
use crate::{guide, out};

/// Has the steps of a recording found, waits, and prints them.
pub(crate) async fn steps(client: &Client, args: &StepsArgs, output: Output) -> Result<Exit, CliError> {
    let run = super::run_on_file(
        client,
        "step_detection",
        input(args),
        &args.recording,
        args.timeout,
        output,
    );
    let Some(task) = run.await? else {
        return Ok(Exit::Failed);
    };
    let found: StepDetectionOutput = super::result(&task)?;
    if let Some(path) = &args.html {
        write_page(client, &found, &args.recording, path).await?;
    }
    match output {
        Output::Json => out::json(&found)?,
        Output::Id => out::data(&task.id)?,
        Output::Table => out::data(&guide::text(&found))?,
    }
    Ok(Exit::Done)
}

fn input(args: &StepsArgs) -> Map<String, Value> {
    let mut input = Map::new();
    // Without a page nobody looks at screenshots.
    input.insert("screenshots".to_owned(), json!(args.html.is_some()));
    if let Some(language) = &args.language {
        input.insert("language".to_owned(), json!(language));
    }
    input
}

async fn write_page(
    client: &Client,
    found: &StepDetectionOutput,
    recording: &Path,
    path: &Path,
) -> Result<(), CliError> {
    let mut pictures = HashMap::new();
    for id in found.steps.iter().filter_map(|step| step.before.as_ref()) {
        pictures.insert(id.clone(), client.artifact(id).await?);
    }
    let name = recording.file_name().unwrap_or_default().to_string_lossy();
    let page = guide::html(&format!("Steps of {name}"), found, &pictures);
    super::write_file(path, page).await
}
