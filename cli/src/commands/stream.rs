//! `zoetrope stream`: live streams are started, listed, watched, stopped. A stream is a task of kind `stream_ingest`.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use zoetrope_shared::tasks::stream_ingest;
use zoetrope_shared::wire::TaskView;

use super::submit::read_text;
use super::wait::passed;
use crate::args::{Output, PageArgs, StreamCommand, StreamStartArgs, StreamWatchArgs};
use crate::client::{Client, Submission};
use crate::exit::{CliError, Exit};
use crate::plain::{one_line, plain};
use crate::{out, show};

const KIND: &str = stream_ingest::KIND.name;
const MESSAGE_WIDTH: usize = 80;
const TAGS_WIDTH: usize = 30;

/// Runs one of the subcommands.
pub(crate) async fn stream(client: &Client, command: &StreamCommand, output: Output) -> Result<Exit, CliError> {
    match command {
        StreamCommand::Start(args) => start(client, args, output).await,
        StreamCommand::List(args) => list(client, args, output).await,
        StreamCommand::Watch(args) => watch(client, args, output).await,
        StreamCommand::Stop { ids } => stop(client, ids, output).await,
    }
}

async fn start(client: &Client, args: &StreamStartArgs, output: Output) -> Result<Exit, CliError> {
    let mut envelope = Map::new();
    if !args.tag.is_empty() {
        envelope.insert("tags".to_owned(), json!(args.tag));
    }
    let submission = Submission {
        input: input(args)?,
        envelope,
        idempotency_key: args.idempotency_key.clone(),
        file: None,
    };
    let task = client.submit(KIND, submission).await?;
    if !args.watch {
        show::task(&task, output)?;
        out::note(&format!("watch it with: zoetrope stream watch {}", plain(&task.id)));
        return Ok(Exit::Done);
    }
    out::note(&format!(
        "zoetrope: watching {}; Ctrl-C leaves it running",
        plain(&task.id)
    ));
    let args = StreamWatchArgs {
        id: task.id,
        since: 0,
        timeout: None,
    };
    watch(client, &args, output).await
}

/// What was given becomes the kind's input; the server judges it.
fn input(args: &StreamStartArgs) -> Result<Map<String, Value>, CliError> {
    let password = match &args.password_file {
        Some(path) => Some(read_text(path)?.trim_end_matches(['\r', '\n']).to_owned()),
        None => None,
    };
    let mut window = Map::new();
    if let Some(size) = args.window {
        window.insert("size_s".to_owned(), json!(size.as_secs_f64()));
    }
    if let Some(hop) = args.hop {
        window.insert("hop_s".to_owned(), json!(hop.as_secs_f64()));
    }
    let given = [
        ("url", Some(json!(args.url))),
        ("fps", args.fps.map(|fps| json!(fps))),
        ("duration", args.duration.map(|duration| json!(duration.as_secs_f64()))),
        ("window", (!window.is_empty()).then_some(Value::Object(window))),
        ("prompt", args.prompt.as_ref().map(|prompt| json!(prompt))),
        ("transport", args.udp.then(|| json!("udp"))),
        ("username", args.username.as_ref().map(|name| json!(name))),
        ("password", password.map(|password| json!(password))),
    ];
    let given = given
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Ok(given.collect())
}

async fn list(client: &Client, args: &PageArgs, output: Output) -> Result<Exit, CliError> {
    let page = client.list(Some(KIND), args).await?;
    match output {
        Output::Json => out::json(&page)?,
        Output::Id => show::tasks(&page.items, output)?,
        Output::Table => out::data(&table(&page.items))?,
    }
    if let Some(cursor) = page.next_cursor.filter(|_| output != Output::Json) {
        out::note(&format!("more follow: --cursor {cursor}"));
    }
    Ok(Exit::Done)
}

fn table(streams: &[TaskView]) -> String {
    let mut table = show::table(&["id", "state", "created", "now", "tags"]);
    for stream in streams {
        let now = match (&stream.error, &stream.progress) {
            (Some(error), _) => format!("{}: {}", error.code, error.message),
            (None, Some(progress)) if !show::has_ended(stream) => progress.message.clone(),
            _ => String::new(),
        };
        table.add_row([
            plain(&stream.id),
            show::state_with_reason(stream),
            stream.created_at.clone(),
            one_line(&now, MESSAGE_WIDTH),
            one_line(&stream.tags.join(" "), TAGS_WIDTH),
        ]);
    }
    table.to_string()
}

/// Prints scenes, those there are and those to come, until the stream ends. Leaving leaves the stream alone.
async fn watch(client: &Client, args: &StreamWatchArgs, output: Output) -> Result<Exit, CliError> {
    known_stream(client, &args.id).await?;
    let bar = spinner();
    let mut seen = args.since;
    let scenes = client.follow(&args.id, args.since, |event| {
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
    let task = client.task_now(&args.id).await?;
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

/// Stops every stream named, also after one of them could not be; the last trouble decides the exit code.
async fn stop(client: &Client, ids: &[String], output: Output) -> Result<Exit, CliError> {
    let mut exit = Exit::Done;
    let mut stopped = Vec::new();
    for id in ids {
        let stop = async {
            known_stream(client, id).await?;
            client.cancel(id).await
        };
        match stop.await {
            Ok(task) => stopped.push(task),
            Err(error) => {
                out::note(&format!("zoetrope: {}: {}", plain(id), error.message));
                exit = error.exit;
            }
        }
    }
    match output {
        Output::Table => out::data(&table(&stopped))?,
        _ => show::tasks(&stopped, output)?,
    }
    Ok(exit)
}

/// A task of another kind is no stream: a slip in an id must not cancel it.
async fn known_stream(client: &Client, id: &str) -> Result<(), CliError> {
    let task = client.task_now(id).await?;
    if task.kind == KIND {
        return Ok(());
    }
    Err(CliError {
        exit: Exit::NotFound,
        message: format!("{} is no stream but a task of kind {}", plain(id), plain(&task.kind)),
    })
}
