//! `zoetrope ocr`: an image in, its text out.

use serde_json::{Map, Value, json};
use zoetrope_shared::tasks::ocr::OcrOutput;

use crate::args::{OcrArgs, Output};
use crate::client::Client;
use crate::exit::{CliError, Exit};
use crate::{out, transcript};

/// Has an image read, waits, and prints its text.
pub(crate) async fn ocr(client: &Client, args: &OcrArgs, output: Output) -> Result<Exit, CliError> {
    let run = super::run_on_file(client, "ocr", input(args), &args.image, args.timeout, output);
    let Some(task) = run.await? else {
        return Ok(Exit::Failed);
    };
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
