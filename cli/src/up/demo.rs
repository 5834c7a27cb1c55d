//! The demonstration: a bundled screenshot goes through the real API, and what was found is printed.

use reqwest::multipart::Part;
use std::time::Duration;
use tokio::time::timeout;

use zoetrope_shared::wire::TaskView;

use crate::client::{Client, Reading, Submission};
use crate::exit::CliError;
use crate::{out, show};

/// An order in a shop: text in several sizes, on light and dark, and a QR code.
const SCREENSHOT: &[u8] = include_bytes!("../../assets/demo.png");
const KINDS: [&str; 2] = ["ocr", "image_analysis"];
const LIMIT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_secs(30);

/// Submits the screenshot to each kind and prints the results, in that order.
pub(super) async fn run(client: &Client) -> Result<(), CliError> {
    let mut submitted = Vec::new();
    for kind in KINDS {
        let file = Part::bytes(SCREENSHOT)
            .file_name("demo.png")
            .mime_str("image/png")
            .map_err(CliError::failed)?;
        let submission = Submission {
            file: Some(file),
            ..Submission::default()
        };
        submitted.push(client.submit(kind, submission).await?);
    }
    out::note("zoetrope: the bundled screenshot was submitted to ocr and image_analysis");
    for task in submitted {
        let ended = timeout(LIMIT, until_ended(client, task)).await;
        let task = ended.map_err(|_| CliError::unavailable(format!("no result within {} s", LIMIT.as_secs())))??;
        out::data(&show::details(&task).to_string())?;
    }
    Ok(())
}

async fn until_ended(client: &Client, mut task: TaskView) -> Result<TaskView, CliError> {
    while !show::has_ended(&task) {
        if let Reading::Changed { task: changed, .. } = client.task(&task.id, POLL, None).await? {
            task = *changed;
        }
    }
    Ok(task)
}
