//! What can be typed: commands, arguments and their help. Nothing is decided here.

mod operations;
mod spending;
mod streams;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use zoetrope_shared::wire::parse_rfc3339_ms;

pub(crate) use self::operations::{
    BacklogArgs, FsckArgs, KeyCommand, KeyCreateArgs, LimitArgs, QueueCommand, Rated, WhomArgs, WorkerCommand,
    WorkerDrainArgs,
};
pub(crate) use self::spending::{SpendArgs, UsageArgs};
pub(crate) use self::streams::{
    LoginArgs, StreamCommand, StreamCreateArgs, StreamListArgs, StreamSettings, StreamSnapshotArgs, StreamStartArgs,
    StreamTestArgs, StreamUpdateArgs, StreamWatchArgs,
};

/// States of a task, as the server spells them.
const STATES: [&str; 8] = [
    "scheduled",
    "waiting",
    "queued",
    "running",
    "succeeded",
    "failed",
    "canceled",
    "expired",
];

/// Runs Zoetrope on one machine, submits media tasks and watches them.
#[derive(Debug, Parser)]
#[command(name = "zoetrope", version, about, long_about = None, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// The server to talk to [default: the setting `SERVER_URL`]
    #[arg(long, global = true, value_name = "URL", help_heading = EVERYWHERE)]
    pub(crate) server: Option<String>,
    /// Print JSON, which is also the default where stdout is no terminal
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,
    /// How to print
    #[arg(long, short, global = true, value_enum, conflicts_with = "json", help_heading = EVERYWHERE)]
    pub(crate) output: Option<Output>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EVERYWHERE: &str = "Options of every command";

const EXIT_CODES: &str = "Begin with `zoetrope up --demo`, and look with `zoetrope doctor` when something is wrong.\n\n\
                          Exit codes: 0 done, 1 the task failed or fsck found faults, 2 usage or refused input, 3 not found, \
                          4 not allowed, 5 unavailable, 124 timeout, 130 interrupted";

/// Form of what goes to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For programs; the API's own shapes.
    Json,
    /// Only ids, one a line.
    Id,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start everything on this machine: Redis, the API and workers
    Up(UpArgs),
    /// Submit a task
    Submit(SubmitArgs),
    /// Show a task
    Get(GetArgs),
    /// Tell why a task does not run, or who runs it
    Why(GetArgs),
    /// Wait until a task has ended, then show it
    Wait(WaitArgs),
    /// Cancel tasks
    Cancel(CancelArgs),
    /// List tasks, newest first
    List(ListArgs),
    /// List the kinds of tasks, or show what one takes
    Kinds(KindsArgs),
    /// Read the text of an image or a document
    Ocr(OcrArgs),
    /// Find the steps of a screen recording and print them as a guide
    Steps(StepsArgs),
    /// Make a guide, a narration and a narrated video of a screen recording
    Tutorial(TutorialArgs),
    /// Keep, start, watch, look at and stop live streams
    #[command(subcommand)]
    Stream(StreamCommand),
    /// See how busy the queue is
    #[command(subcommand)]
    Queue(QueueCommand),
    /// List workers and tell them to leave
    #[command(subcommand)]
    Worker(WorkerCommand),
    /// List the providers that workers have, and how they are
    Providers,
    /// Show what calls to providers used and cost
    Usage(UsageArgs),
    /// Show or cap what a tenant's calls to providers cost
    Spend(SpendArgs),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Check everything that Zoetrope needs and print the effective configuration
    Doctor,
    /// Check what Redis holds against the queue's layout, while it works, and mend it
    Fsck(FsckArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Where everything is kept [default: the setting `DATA_DIR`]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Worker processes to start
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(0..=256))]
    pub(crate) workers: u16,
    /// Read the bundled screenshot, watch a camera of its own, print what was found, and keep serving
    #[arg(long)]
    pub(crate) demo: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SubmitArgs {
    /// Kind of task, such as ocr or image-analysis; `zoetrope kinds` lists them
    pub(crate) kind: String,
    /// File to send as the kind's medium
    #[arg(long, short, value_name = "FILE", conflicts_with = "url")]
    pub(crate) file: Option<PathBuf>,
    /// URL of the kind's medium, fetched by the worker
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The input's other fields: JSON, @FILE, or - for stdin
    #[arg(long, short, value_name = "JSON|@FILE|-")]
    pub(crate) input: Option<String>,
    /// Priority class
    #[arg(long, value_parser = ["realtime", "high", "normal", "low"])]
    pub(crate) priority: Option<String>,
    /// Start no earlier than this from now, such as 30s or 5m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) delay: Option<Duration>,
    /// End it as expired unless it starts within this, such as 10m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) expires_in: Option<Duration>,
    /// Whose turn it is: tasks of several keys start in turns
    #[arg(long, value_name = "KEY")]
    pub(crate) fairness_key: Option<String>,
    /// Make none while another of its kind with this key has not ended: that one is shown
    #[arg(long, value_name = "KEY")]
    pub(crate) unique_key: Option<String>,
    /// Label for listing; may be repeated
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,
    /// Makes repeated submits one task
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Wait until the task has ended
    #[arg(long, short, group = "patience")]
    pub(crate) wait: bool,
    /// Print its output while it is made, such as a text as a model writes it, until the task has ended
    #[arg(long, group = "patience")]
    pub(crate) follow: bool,
    /// With --wait or --follow: give up after this, such as 90s or 10m; the task goes on
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "patience")]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct OcrArgs {
    /// The image: PNG, JPEG, WebP, BMP, GIF, TIFF or PDF
    pub(crate) image: PathBuf,
    /// Write a page with the image, its words boxed
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Language of the text, such as eng or deu; may be repeated [default: eng]
    #[arg(long, value_name = "LANGUAGE")]
    pub(crate) language: Vec<String>,
    /// Give up after this, such as 90s or 10m; the task goes on
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct StepsArgs {
    /// The recording: MP4, MOV, Matroska, WebM or AVI
    pub(crate) recording: PathBuf,
    /// Write a page with the screenshots, the targets ringed
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Language of the text on the screen, such as eng or deu
    #[arg(long)]
    pub(crate) language: Option<String>,
    /// Give up after this, such as 90s or 10m; the task goes on
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct TutorialArgs {
    /// The recording: MP4, MOV, Matroska, WebM or AVI
    pub(crate) recording: PathBuf,
    /// Where everything is written [default: the recording's name and -tutorial]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Title [default: the recording's name]
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// Language of the text on the screen, such as eng or deu
    #[arg(long)]
    pub(crate) language: Option<String>,
    /// Language that is spoken, such as en or de
    #[arg(long, value_name = "TAG", default_value = "en")]
    pub(crate) spoken: String,
    /// The voice by its name; the server's /api/v1/voices lists them
    #[arg(long)]
    pub(crate) voice: Option<String>,
    /// Make no video, which needs the command ffmpeg here
    #[arg(long)]
    pub(crate) no_video: bool,
    /// Give up after this for each of the tasks, such as 90s or 10m; the task goes on
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// Id of the task
    pub(crate) id: String,
}

#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// Id of the task
    pub(crate) id: String,
    /// Print its output while it is made, such as a text as a model writes it
    #[arg(long)]
    pub(crate) follow: bool,
    /// Give up after this, such as 90s or 10m; the task goes on
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// Ids of the tasks
    #[arg(required = true)]
    pub(crate) ids: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only this kind
    #[arg(long)]
    pub(crate) kind: Option<String>,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

/// What every list of tasks can be asked for.
#[derive(Debug, Args)]
pub(crate) struct PageArgs {
    /// Only this state
    #[arg(long, value_parser = STATES)]
    pub(crate) state: Option<String>,
    /// Only those with this tag
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// Most to print
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) limit: u16,
    /// Where the last page ended
    #[arg(long)]
    pub(crate) cursor: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct KindsArgs {
    /// Only this kind, with the fields of its input and an example
    pub(crate) kind: Option<String>,
}

/// Reads `250ms`, `30s`, `5m`, `2h`, `7d`, or a bare number of seconds.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number
        .parse()
        .map_err(|_| format!("`{text}` is no duration; write 30s, 5m or 2h"))?;
    let milliseconds = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(format!("`{unit}` is no unit; write ms, s, m, h or d")),
    };
    number
        .checked_mul(milliseconds)
        .map(Duration::from_millis)
        .ok_or_else(|| format!("`{text}` is too long"))
}

/// Reads Unix seconds or RFC 3339, as Unix seconds.
fn parse_time(text: &str) -> Result<f64, String> {
    let written = || parse_rfc3339_ms(text).map(|ms| ms as f64 / 1_000.0);
    let seconds = text.parse().ok().filter(|seconds: &f64| seconds.is_finite());
    seconds
        .or_else(written)
        .ok_or_else(|| format!("`{text}` is no time; write Unix seconds, or such as 2026-11-22T09:30:00Z"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_are_seconds_or_dates_with_a_zone() {
        let read = |text| parse_time(text).ok();
        assert_eq!(read("1795165200.007"), Some(1_795_165_200.007));
        assert_eq!(read("2026-11-20T10:00:00.007+01:00"), Some(1_795_165_200.007));
        for text in ["", "now", "inf", "NaN", "2026-11-20", "2026-11-20T10:00:00"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn durations_carry_their_unit() {
        let read = |text| parse_duration(text).ok();
        assert_eq!(read("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(read("30"), Some(Duration::from_secs(30)));
        assert_eq!(read("5m"), Some(Duration::from_secs(300)));
        assert_eq!(read("7d"), Some(Duration::from_secs(604_800)));
        assert_eq!(
            (read("soon"), read("3w"), read("-1s"), read("99999999999999999999s")),
            (None, None, None, None)
        );
    }
}
