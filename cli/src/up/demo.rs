//! The demonstration: a bundled screenshot and a live camera go through the real API, and what was found is printed.

use std::time::Duration;

use reqwest::multipart::Part;
use serde_json::{Map, Value, json};
use tokio::time::timeout;
use zoetrope_shared::wire::TaskView;

use super::camera::Camera;
use crate::client::{Client, Reading, Submission};
use crate::exit::CliError;
use crate::{out, show};

/// An order in a shop: text in several sizes, on light and dark, and a QR code.
const SCREENSHOT: &[u8] = include_bytes!("../../assets/demo.png");
const KINDS: [&str; 2] = ["ocr", "image_analysis"];
/// How long the camera is watched, and what a scene spans, seconds.
const WATCHED: u32 = 15;
const WINDOW: u32 = 3;
const LIMIT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_secs(30);

/// Submits everything, prints the camera's scenes as they come, then a table for each task.
pub(super) async fn run(client: &Client, camera: Option<&Camera>) -> Result<(), CliError> {
    let mut submitted = Vec::new();
    for kind in KINDS {
        submitted.push(client.submit(kind, screenshot()?).await?);
    }
    out::note("zoetrope: the bundled screenshot was submitted to ocr and image_analysis");
    let watched = match camera {
        Some(camera) => Some(watch(client, camera).await),
        None => None,
    };
    for task in submitted {
        print(client, task).await?;
    }
    if let Some(task) = watched {
        print(client, task?).await?;
    }
    Ok(())
}

async fn print(client: &Client, task: TaskView) -> Result<(), CliError> {
    let ended = timeout(LIMIT, until_ended(client, task)).await;
    out::data(&show::details(&ended.map_err(|_| too_late())??).to_string())
}

fn screenshot() -> Result<Submission, CliError> {
    let file = Part::bytes(SCREENSHOT).file_name("demo.png").mime_str("image/png");
    Ok(Submission {
        file: Some(file.map_err(CliError::failed)?),
        ..Submission::default()
    })
}

/// Watches the camera for a while, and prints each scene when it is there.
async fn watch(client: &Client, camera: &Camera) -> Result<TaskView, CliError> {
    let fields = [
        ("url", json!(camera.url)),
        ("duration", json!(WATCHED)),
        ("window", json!({"size_s": WINDOW})),
    ];
    let submission = Submission {
        input: fields
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect::<Map<String, Value>>(),
        ..Submission::default()
    };
    let task = client.submit("stream_ingest", submission).await?;
    out::note(&format!(
        "zoetrope: the camera {} is watched by stream_ingest for {WATCHED} s; its scenes:",
        camera.url
    ));
    let scenes = client.follow(&task.id, 0, |event| match &event.chunk {
        Some(chunk) => out::data(&show::scene(chunk)),
        None => Ok(()),
    });
    timeout(LIMIT, scenes).await.map_err(|_| too_late())??;
    Ok(task)
}

async fn until_ended(client: &Client, mut task: TaskView) -> Result<TaskView, CliError> {
    while !show::has_ended(&task) {
        if let Reading::Changed { task: changed, .. } = client.task(&task.id, POLL, None).await? {
            task = *changed;
        }
    }
    Ok(task)
}

fn too_late() -> CliError {
    CliError::unavailable(format!("no result within {} s", LIMIT.as_secs()))
}
