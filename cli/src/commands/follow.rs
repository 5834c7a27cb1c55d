//! `--follow` of `zoetrope submit` and `wait`: the output of a task while it is made, then how it ended.

use std::time::Duration;

use serde_json::value::RawValue;
use zoetrope_shared::tasks::content_generation::ContentChunk;
use zoetrope_shared::wire::TaskView;

use super::wait::{gave_up, passed};
use crate::args::Output;
use crate::client::Client;
use crate::exit::{CliError, Exit};
use crate::plain::plain;
use crate::{out, show};

/// Prints output as it comes, after what is there already, until the task ends. Giving up or Ctrl-C leaves it alone.
pub(crate) async fn follow(
    client: &Client,
    task: &TaskView,
    limit: Option<Duration>,
    output: Output,
) -> Result<Exit, CliError> {
    let mut told = Told::default();
    let pieces = client.follow(&task.id, 0, |event| match &event.chunk {
        Some(chunk) => told.print(chunk, output),
        None => Ok(()),
    });
    let left = tokio::select! {
        biased;
        ended = pieces => { ended?; None }
        _ = tokio::signal::ctrl_c() => Some((Exit::Interrupted, "interrupted")),
        () = passed(limit) => Some((Exit::Timeout, "timeout")),
    };
    told.end_line()?;
    if let Some((exit, why)) = left {
        return Err(gave_up(exit, why, &task.id));
    }
    let task = client.task_now(&task.id).await?;
    match output {
        Output::Json => out::json_line(&task)?,
        // What was printed is the result; the rest is talk.
        Output::Table if told.anything => out::note(&format!("zoetrope: {}", ending(&task))),
        Output::Table | Output::Id => show::task(&task, output)?,
    }
    Ok(if show::has_succeeded(&task) {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// How the task ended, and who made its result.
fn ending(task: &TaskView) -> String {
    #[derive(serde::Deserialize)]
    struct Maker {
        provider: String,
        model: String,
    }
    let state = show::state_with_reason(task);
    let result = task.result.as_ref();
    match (
        result.and_then(|result| serde_json::from_str::<Maker>(result.get()).ok()),
        &task.error,
    ) {
        (Some(maker), _) => format!("{state}, by {} ({})", plain(&maker.provider), plain(&maker.model)),
        (None, Some(error)) => format!("{state}: {}: {}", plain(&error.code), plain(&error.message)),
        (None, None) => state,
    }
}

/// What was printed so far.
#[derive(Debug, Default)]
struct Told {
    anything: bool,
    round: u64,
    is_within_line: bool,
}

impl Told {
    fn print(&mut self, chunk: &RawValue, output: Output) -> Result<(), CliError> {
        self.anything = true;
        match (output, serde_json::from_str::<ContentChunk>(chunk.get())) {
            (Output::Id, _) => Ok(()),
            (Output::Table, Ok(chunk)) => self.print_text(&chunk),
            // One object a line, as they come: a reader need not wait for the end.
            (Output::Json | Output::Table, _) => out::data(chunk.get()),
        }
    }

    fn print_text(&mut self, chunk: &ContentChunk) -> Result<(), CliError> {
        if chunk.round != self.round && self.round != 0 {
            self.end_line()?;
            out::note("zoetrope: the text begins anew");
        }
        self.round = chunk.round;
        let text = plain(&chunk.text);
        self.is_within_line = !text.ends_with('\n');
        out::piece(&text)
    }

    fn end_line(&mut self) -> Result<(), CliError> {
        if std::mem::take(&mut self.is_within_line) {
            out::piece("\n")?;
        }
        Ok(())
    }
}
