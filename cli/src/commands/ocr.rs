//! `zoetrope ocr`: an image in, its text out.

use serde_json::{Map, Value, json};
use zoetrope_shared::tasks::ocr::OcrOutput;

use super::wait::ended;
use crate::args::{OcrArgs, Output};
use crate::client::{Client, Submission, file_part};
use crate::exit::{CliError, Exit};
use crate::{out, show, transcript};

/// Has an image read, waits, and prints its text.
pub(crate) async fn ocr(client: &Client, args: &OcrArgs, output: Output) -> Result<Exit, CliError> {
    let submission = Submission {
        input: input(args),
        file: Some(file_part(&args.image).await?),
        ..Submission::default()
    };
    let task = client.submit("ocr", submission).await?;
    let task = ended(client, task, args.timeout).await?;
    if !show::has_succeeded(&task) {
        show::task(&task, output)?;
        return Ok(Exit::Failed);
    }
    let read: OcrOutput = super::result(&task)?;
    if let Some(path) = &args.html {
        let image = tokio::fs::read(&args.image).await.map_err(CliError::failed)?;
        let name = args.image.file_name().unwrap_or_default().to_string_lossy();
        super::write_file(path, transcript::html(&format!("Text of {name}"), &read, &image)).await?;
    }
    match output {
        Output::Json => out::json(&read)?,
        Output::Id => out::data(&task.id)?,
        Output::Table => out::data(&transcript::text(&read))?,
    }
    Ok(Exit::Done)
}

fn input(args: &OcrArgs) -> Map<String, Value> {
    let mut input = Map::new();
    if !args.language.is_empty() {
        input.insert("languages".to_owned(), json!(args.language));
    }
    input
}
