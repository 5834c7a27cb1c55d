//! Tasks as tables for people, as JSON for programs, or as bare ids.

use std::time::Duration;

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use serde_json::value::RawValue;
use zoetrope_queue::State;
use zoetrope_shared::tasks::stream_ingest::Scene;
use zoetrope_shared::wire::{TaskView, parse_rfc3339_ms};

use crate::args::Output;
use crate::exit::CliError;
use crate::facts::facts;
use crate::out;
use crate::plain::{one_line, plain};

/// Where stdout is no terminal, and says no width.
const USUAL_WIDTH: u16 = 120;
const TAGS_WIDTH: usize = 30;
const SCENE_WIDTH: usize = 400;
/// A line below the header and nothing else: tables are read, and copied from.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::new('─', '─', '─', '─'));

/// Prints one task with everything it found.
pub(crate) fn task(task: &TaskView, output: Output) -> Result<(), CliError> {
    match output {
        Output::Json => out::json(task),
        Output::Id => out::data(&task.id.clone()),
        Output::Table => out::data(&details(task).to_string()),
    }
}

/// Prints several tasks, a line each.
pub(crate) fn tasks(tasks: &[TaskView], output: Output) -> Result<(), CliError> {
    match output {
        Output::Json => out::json(&tasks),
        Output::Id if tasks.is_empty() => Ok(()),
        Output::Id => out::data(&tasks.iter().map(|task| task.id.clone()).collect::<Vec<_>>().join("\n")),
        Output::Table => {
            let mut table = table(&["id", "kind", "state", "priority", "attempt", "created", "took", "tags"]);
            for task in tasks {
                table.add_row([
                    task.id.clone(),
                    plain(&task.kind),
                    state(task).to_owned(),
                    word(task.priority),
                    format!("{}/{}", task.attempt, task.max_attempts),
                    task.created_at.clone(),
                    took(task),
                    one_line(&task.tags.join(" "), TAGS_WIDTH),
                ]);
            }
            out::data(&table.to_string())
        }
    }
}

/// Everything about a task in two columns.
pub(crate) fn details(task: &TaskView) -> Table {
    let mut table = table(&[task.kind.as_str(), ""]);
    let mut row = |name: &str, value: String| {
        table.add_row([name.to_owned(), value]);
    };
    row("id", task.id.clone());
    row("state", state_with_reason(task));
    row("attempt", format!("{} of at most {}", task.attempt, task.max_attempts));
    if let Some(ahead) = task.queue_position {
        row("ahead of it", ahead.to_string());
    }
    if let Some(progress) = task.progress.as_ref().filter(|_| !has_ended(task)) {
        row(
            "progress",
            format!(
                "{} % {}",
                progress.percent,
                one_line(&progress.message, USUAL_WIDTH.into())
            ),
        );
    }
    if !took(task).is_empty() {
        row("took", took(task));
    }
    if let Some(error) = &task.error {
        row("error", plain(&format!("{}: {}", error.code, error.message)));
    }
    for (name, value) in task.result.as_deref().map(facts).unwrap_or_default() {
        row(&name, value);
    }
    table
}

/// A scene of a stream on one line: its time of the stream, and what is seen.
pub(crate) fn scene(scene: &RawValue) -> String {
    match serde_json::from_str::<Scene>(scene.get()) {
        Ok(scene) => format!(
            "{} to {}  {}",
            clock(scene.start_ms),
            clock(scene.end_ms),
            one_line(&scene.description, SCENE_WIDTH)
        ),
        Err(_) => one_line(scene.get(), SCENE_WIDTH),
    }
}

/// The scene's id.
pub(crate) fn scene_id(scene: &RawValue) -> String {
    serde_json::from_str::<Scene>(scene.get()).map_or_else(|_| String::new(), |scene| plain(&scene.id))
}

/// A span of time in its two largest units.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// Hours, minutes and seconds of a time of a stream.
fn clock(ms: u64) -> String {
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{hours}:{minutes:02}:{seconds:02}.{}", ms / 100 % 10)
}

/// A table with a line below its header, as wide as the terminal.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(STYLE)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().map(|cell| plain(cell)));
    if !table.is_tty() {
        table.set_width(USUAL_WIDTH);
    }
    table
}

/// The word of its state.
pub(crate) fn state(task: &TaskView) -> &'static str {
    task.state.as_str()
}

/// Whether nothing more will happen to it.
pub(crate) fn has_ended(task: &TaskView) -> bool {
    task.state.is_terminal()
}

/// Whether it ended with a result.
pub(crate) fn has_succeeded(task: &TaskView) -> bool {
    task.state == State::Succeeded
}

/// The word of its state, and why it is in it.
pub(crate) fn state_with_reason(task: &TaskView) -> String {
    let state = state(task);
    let reason = task.reason.map(|reason| format!(" ({})", word(reason)));
    let cancel = if task.cancel_requested && !has_ended(task) {
        ", cancel requested"
    } else {
        ""
    };
    format!("{state}{}{cancel}", reason.unwrap_or_default())
}

/// The wire's word for a reason or a priority.
fn word(known: impl serde::Serialize) -> String {
    serde_json::to_value(known)
        .ok()
        .and_then(|word| word.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// How long its last attempt ran, where that is known.
fn took(task: &TaskView) -> String {
    let instant = |text: &Option<String>| text.as_deref().and_then(parse_rfc3339_ms);
    let span = instant(&task.started_at).zip(instant(&task.finished_at));
    span.map(|(start, end)| format!("{} ms", end.saturating_sub(start)))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use zoetrope_shared::tasks::stream_ingest::StreamCounts;

    use super::*;

    #[test]
    fn a_span_is_told_in_its_two_largest_units() {
        let told = [5, 65, 7_260, 183_600].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(told, ["5 s", "1 min 5 s", "2 h 1 min", "2 d 3 h"]);
    }

    #[test]
    fn a_scene_is_a_line_without_terminal_commands() {
        let found = json!({
            "id": "a-1", "seq": 1, "start_ms": 3_723_400, "end_ms": 3_726_400, "wall_start": "2026-11-20T09:00:00.000Z",
            "description": "It reads:\n\u{1b}[2J\u{201c}Exit\u{201d}.", "provider": "local", "model": "m", "motion": 0.1,
            "text": "", "colors": [], "frame_count": 3, "totals": StreamCounts::default(),
        });
        let found = serde_json::value::to_raw_value(&found).unwrap();
        assert_eq!(scene(&found), "1:02:03.4 to 1:02:06.4  It reads: \u{201c}Exit\u{201d}.");
    }
}
