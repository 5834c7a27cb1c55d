//! `zoetrope wait`, and the waiting of `submit --wait`: follows a task until it has ended.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep};
use zoetrope_queue::State;
use zoetrope_shared::wire::TaskView;

use crate::args::{Output, WaitArgs};
use crate::client::{Client, Reading};
use crate::exit::{CliError, Exit};
use crate::plain::one_line;
use crate::{out, show};

/// One long poll; the server allows 60 s.
const POLL: Duration = Duration::from_secs(30);
/// Between polls while the server cannot be reached.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How long a server may be away before waiting for it ends.
const PATIENCE: Duration = Duration::from_secs(30);
const MESSAGE_WIDTH: usize = 56;

/// Waits for a task that is known by its id.
pub(crate) async fn wait(client: &Client, args: &WaitArgs, output: Output) -> Result<Exit, CliError> {
    let task = client.task_now(&args.id).await?;
    if args.follow {
        return super::follow::follow(client, &task, args.timeout, output).await;
    }
    wait_for(client, task, args.timeout, output).await
}

/// Waits for this task and prints it. Giving up or Ctrl-C leaves the task alone and says how to resume.
pub(crate) async fn wait_for(
    client: &Client,
    task: TaskView,
    limit: Option<Duration>,
    output: Output,
) -> Result<Exit, CliError> {
    let task = ended(client, task, limit).await?;
    show::task(&task, output)?;
    Ok(if show::has_succeeded(&task) {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// Waits until a task has ended, and answers it.
pub(super) async fn ended(client: &Client, task: TaskView, limit: Option<Duration>) -> Result<TaskView, CliError> {
    let id = task.id.clone();
    let bar = progress_bar();
    let ended = tokio::select! {
        biased;
        ended = follow(client, task, &bar) => ended,
        _ = tokio::signal::ctrl_c() => Err(gave_up(Exit::Interrupted, "interrupted", &id)),
        () = passed(limit) => Err(gave_up(Exit::Timeout, "timeout", &id)),
    };
    bar.finish_and_clear();
    ended
}

/// Returns when the limit has passed; never without one.
pub(super) async fn passed(limit: Option<Duration>) {
    match limit {
        Some(limit) => sleep(limit).await,
        None => std::future::pending().await,
    }
}

async fn follow(client: &Client, mut task: TaskView, bar: &ProgressBar) -> Result<TaskView, CliError> {
    let mut version = None;
    let mut last_heard = Instant::now();
    tell_if_nobody_works(client, &task, bar).await;
    while !show::has_ended(&task) {
        draw(bar, &task);
        match client.task(&task.id, POLL, version.as_deref()).await {
            Ok(Reading::Same) => last_heard = Instant::now(),
            Ok(Reading::Changed { task: changed, etag }) => {
                (task, version, last_heard) = (*changed, etag, Instant::now());
            }
            // A server that restarts comes back, and the task with it.
            Err(error) if error.exit == Exit::Unavailable && last_heard.elapsed() < PATIENCE => {
                sleep(RETRY_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(task)
}

/// A queued task may have nobody to run it, which waiting does not cure.
async fn tell_if_nobody_works(client: &Client, task: &TaskView, bar: &ProgressBar) {
    if task.state != State::Queued {
        return;
    }
    if client.queue_status().await.is_ok_and(|status| status.workers == 0) {
        bar.suspend(|| out::note("zoetrope: no worker is running, so that the task waits for one"));
    }
}

pub(super) fn gave_up(exit: Exit, why: &str, id: &str) -> CliError {
    CliError {
        exit,
        message: format!("{why}; the task goes on, resume with: zoetrope wait {id}"),
    }
}

fn progress_bar() -> ProgressBar {
    if !out::is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(100);
    let style = ProgressStyle::with_template("{spinner} {prefix} [{bar:24}] {elapsed} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn draw(bar: &ProgressBar, task: &TaskView) {
    bar.set_prefix(show::state(task));
    match (&task.progress, task.queue_position) {
        (Some(progress), _) => {
            bar.set_position(u64::from(progress.percent));
            bar.set_message(one_line(&progress.message, MESSAGE_WIDTH));
        }
        (None, Some(ahead)) => bar.set_message(format!("{ahead} ahead of it")),
        (None, None) => bar.set_message(""),
    }
}
