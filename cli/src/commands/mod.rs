//! One file per command, except `up`, which has its own module.

mod cancel;
mod doctor;
mod follow;
mod fsck;
mod fsck_recordings;
mod get;
mod key;
mod kinds;
mod list;
mod ocr;
mod providers;
mod queue;
mod rules;
mod steps;
mod stream;
mod submit;
mod tutorial;
mod usage;
mod wait;
mod why;
mod worker;

use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use zoetrope_shared::wire::TaskView;

use crate::args::Output;
use crate::client::{Client, Submission, file_part};
use crate::exit::CliError;
use crate::show;

pub(crate) use self::cancel::cancel;
pub(crate) use self::doctor::doctor;
pub(crate) use self::fsck::fsck;
pub(crate) use self::get::get;
pub(crate) use self::key::key;
pub(crate) use self::kinds::kinds;
pub(crate) use self::list::list;
pub(crate) use self::ocr::ocr;
pub(crate) use self::providers::providers;
pub(crate) use self::queue::queue;
pub(crate) use self::steps::steps;
pub(crate) use self::stream::stream;
pub(crate) use self::submit::submit;
pub(crate) use self::tutorial::tutorial;
pub(crate) use self::usage::{spend, usage};
pub(crate) use self::wait::{wait, wait_for};
pub(crate) use self::why::why;
pub(crate) use self::worker::worker;

/// The same as [`run`] of a file.
async fn run_on_file(
    client: &Client,
    kind: &str,
    input: Map<String, Value>,
    file: &Path,
    limit: Option<Duration>,
    output: Output,
) -> Result<Option<TaskView>, CliError> {
    let submission = Submission {
        input,
        file: Some(file_part(file).await?),
        ..Submission::default()
    };
    run(client, kind, submission, limit, output).await
}

/// Submits a task and waits for its end; one that has not succeeded is shown, and is `None`.
async fn run(
    client: &Client,
    kind: &str,
    submission: Submission,
    limit: Option<Duration>,
    output: Output,
) -> Result<Option<TaskView>, CliError> {
    let task = client.submit(kind, submission).await?;
    let task = wait::ended(client, task, limit).await?;
    if show::has_succeeded(&task) {
        return Ok(Some(task));
    }
    show::task(&task, output)?;
    Ok(None)
}

/// The result of a task that succeeded, in its kind's form.
fn result<T: DeserializeOwned>(task: &TaskView) -> Result<T, CliError> {
    let result = task.result.as_deref().map_or("null", |result| result.get());
    serde_json::from_str(result)
        .map_err(|error| CliError::unavailable(format!("the server's result cannot be understood: {error}")))
}

/// Writes a page to where it was asked for.
async fn write_file(path: &Path, page: String) -> Result<(), CliError> {
    let written = tokio::fs::write(path, page).await;
    written.map_err(|error| CliError::usage(format!("{} cannot be written: {error}", path.display())))
}
