//! Streams as tables for people, as JSON for programs, or as bare ids.

use serde_json::Value;
use zoetrope_shared::tasks::stream_test::StreamTestOutput;
use zoetrope_shared::wire::{StreamSourceView, StreamStatusView, StreamView};

use crate::args::Output;
use crate::exit::CliError;
use crate::plain::{one_line, plain};
use crate::{out, show};

const NAME_WIDTH: usize = 30;
const URL_WIDTH: usize = 60;
const TAGS_WIDTH: usize = 30;

/// One stream.
pub(super) fn one(stream: &StreamView, output: Output) -> Result<(), CliError> {
    match output {
        Output::Json => out::json(stream),
        _ => several(std::slice::from_ref(stream), output),
    }
}

/// Several streams, a line each.
pub(super) fn several(streams: &[StreamView], output: Output) -> Result<(), CliError> {
    match output {
        Output::Json => out::json(&streams),
        Output::Id => ids(&streams.iter().map(|stream| plain(&stream.id)).collect::<Vec<_>>()),
        Output::Table => {
            let mut table = show::table(&["id", "name", "state", "url", "tags"]);
            for stream in streams {
                table.add_row([
                    plain(&stream.id),
                    one_line(&stream.name, NAME_WIDTH),
                    state(stream),
                    one_line(&stream.url, URL_WIDTH),
                    one_line(&stream.tags.join(" "), TAGS_WIDTH),
                ]);
            }
            out::data(&table.to_string())
        }
    }
}

/// Ids, one a line.
pub(super) fn ids(ids: &[String]) -> Result<(), CliError> {
    if ids.is_empty() {
        Ok(())
    } else {
        out::data(&ids.join("\n"))
    }
}

/// A stream with everything that is known of it; JSON has it under `status`.
pub(super) fn full(stream: &StreamView, status: &StreamStatusView, output: Output) -> Result<(), CliError> {
    match output {
        Output::Json => {
            let mut whole = serde_json::to_value(stream).map_err(CliError::failed)?;
            whole["status"] = serde_json::to_value(status).map_err(CliError::failed)?;
            out::json(&whole)
        }
        Output::Id => ids(&[plain(&stream.id)]),
        Output::Table => out::data(&details(stream, status)),
    }
}

fn details(stream: &StreamView, status: &StreamStatusView) -> String {
    let mut table = show::table(&["stream", ""]);
    let mut row = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            table.add_row([name.to_owned(), plain(&value)]);
        }
    };
    row("id", Some(stream.id.clone()));
    row("name", Some(stream.name.clone()));
    row("state", Some(state(stream)));
    row("why", status.detail.clone());
    let error = status.error.as_ref();
    row("error", error.map(|error| format!("{}: {}", error.code, error.message)));
    row("since", status.since.clone());
    row("url", Some(stream.url.clone()));
    row("watched instead", stream.detect_url.clone());
    row("credentials", stream.has_credentials.then(|| "stored".to_owned()));
    row("recorded", stream.store.then(|| "yes".to_owned()));
    row("video", video(status.codec.as_deref(), status.width.zip(status.height)));
    for source in &status.sources {
        row(source.source.as_str(), Some(source_line(source)));
    }
    row("pictures a second", Some(status.live_fps.to_string()));
    row("last picture", status.last_frame_at.clone());
    row("task", stream.task_id.clone());
    row("tags", Some(stream.tags.join(" ")));
    for (name, count) in counted(status) {
        row(&name, Some(count));
    }
    table.to_string()
}

fn video(codec: Option<&str>, size: Option<(u32, u32)>) -> Option<String> {
    let size = size.map(|(width, height)| format!(", {width} x {height}"));
    codec.map(|codec| format!("{codec}{}", size.unwrap_or_default()))
}

/// How one of two sources is, why, and what it shows.
fn source_line(source: &StreamSourceView) -> String {
    let cause = source.cause.map(|cause| cause.as_str().to_owned());
    let video = video(source.codec.as_deref(), source.width.zip(source.height));
    let said = [cause, source.detail.clone(), video].into_iter().flatten();
    let said: Vec<String> = std::iter::once(source.state.as_str().to_owned()).chain(said).collect();
    said.join("; ")
}

/// What was counted and is not 0, causes apart.
fn counted(status: &StreamStatusView) -> Vec<(String, String)> {
    let Ok(Value::Object(counts)) = serde_json::to_value(status.counts) else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    for (name, count) in counts {
        match count {
            Value::Object(causes) => {
                rows.extend(
                    causes
                        .into_iter()
                        .map(|(cause, count)| (format!("{name}: {cause}"), count.to_string())),
                );
            }
            count => rows.push((name, count.to_string())),
        }
    }
    rows.retain(|(_, count)| count != "0");
    rows
}

/// What a trial found.
pub(super) fn trial(found: &StreamTestOutput, output: Output) -> Result<(), CliError> {
    if output == Output::Json {
        return out::json(found);
    }
    let mut table = show::table(&["source", ""]);
    let mut row = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            table.add_row([name.to_owned(), plain(&value)]);
        }
    };
    row("can be watched", Some(if found.ok { "yes" } else { "no" }.to_owned()));
    row("cause", found.cause.map(|cause| cause.as_str().to_owned()));
    row("why", found.detail.clone());
    row("codec", found.codec.clone());
    let size = found.width.zip(found.height);
    row("size", size.map(|(width, height)| format!("{width} x {height}")));
    row("pictures a second", found.fps.map(|fps| fps.to_string()));
    row("answered after", Some(format!("{} ms", found.connect_ms)));
    row("key frame after", found.key_frame_ms.map(|ms| format!("{ms} ms")));
    out::data(&table.to_string())
}

/// The word of its state, and the cause beside it.
fn state(stream: &StreamView) -> String {
    let cause = stream.cause.map(|cause| format!(": {}", cause.as_str()));
    format!("{}{}", stream.state.as_str(), cause.unwrap_or_default())
}
