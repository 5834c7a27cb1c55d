//! `zoetrope stream watch`: scenes as they come.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::value::RawValue;
use zoetrope_shared::tasks::stream_ingest;

use super::is_id;
use crate::args::{Output, StreamWatchArgs};
use crate::client::Client;
use crate::commands::wait::passed;
use crate::exit::{CliError, Exit};
use crate::plain::{one_line, plain};
use crate::{out, show};

const KIND: &str = stream_ingest::KIND.name;
const MESSAGE_WIDTH: usize = 80;

/// Prints scenes, those there are and those to come, until the stream ends. Leaving leaves the stream alone.
pub(super) async fn watch(client: &Client, args: &StreamWatchArgs, output: Output) -> Result<Exit, CliError> {
    let task = task_of(client, &args.id).await?;
    let bar = spinner();
    let mut seen = args.since;
    let scenes = client.follow(&task, args.since, |event| {
        if let Some(progress) = &event.progress {
            bar.set_message(one_line(&progress.message, MESSAGE_WIDTH));
        }
        if let Some(scene) = &event.chunk {
            bar.suspend(|| print(scene, output))?;
        }
        seen = event.seq;
        Ok(())
    });
    let left = tokio::select! {
        biased;
        ended = scenes => { ended?; None }
        _ = tokio::signal::ctrl_c() => Some((Exit::Interrupted, "interrupted")),
        () = passed(args.timeout) => Some((Exit::Timeout, "timeout")),
    };
    bar.finish_and_clear();
    if let Some((exit, why)) = left {
        let again = format!("zoetrope stream watch {} --since {seen}", args.id);
        return Err(CliError {
            exit,
            message: format!("{why}; the stream goes on, resume with: {again}"),
        });
    }
    let task = client.task_now(&task).await?;
    out::note(&format!(
        "zoetrope: the stream ended: {}",
        show::state_with_reason(&task)
    ));
    if let Some(error) = &task.error {
        out::note(&plain(&format!("  {}: {}", error.code, error.message)));
    }
    Ok(if show::has_succeeded(&task) {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// The task whose scenes are meant: that of a stream, or one of the right kind.
async fn task_of(client: &Client, id: &str) -> Result<String, CliError> {
    if is_id(id) {
        let stream = client.stream(id).await?;
        return stream.task_id.ok_or_else(|| {
            let hint = format!("start it with: zoetrope stream start {}", plain(id));
            CliError::failed(format!("{} was never started; {hint}", plain(id)))
        });
    }
    let task = client.task_now(id).await?;
    if task.kind == KIND {
        return Ok(task.id);
    }
    Err(CliError {
        exit: Exit::NotFound,
        message: format!("{} is no stream but a task of kind {}", plain(id), plain(&task.kind)),
    })
}

fn print(scene: &RawValue, output: Output) -> Result<(), CliError> {
    match output {
        // One object a line, as they come: a reader need not wait for the end.
        Output::Json => out::data(scene.get()),
        Output::Id => out::data(&show::scene_id(scene)),
        Output::Table => out::data(&show::scene(scene)),
    }
}

fn spinner() -> ProgressBar {
    if !out::is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
