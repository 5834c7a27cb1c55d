//! Arguments of `zoetrope stream`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{parse_duration, parse_time};

#[derive(Debug, Subcommand)]
pub(crate) enum StreamCommand {
    /// Keep a source as a stream, stopped
    #[command(after_help = "Example: zoetrope stream create rtsp://camera.example.com/live --name 'front door'")]
    Create(StreamCreateArgs),
    /// Start a stream; one is created first where a URL is given
    #[command(after_help = "Example: zoetrope stream start rtsp://camera.example.com/live --duration 10m --watch")]
    Start(StreamStartArgs),
    /// List streams, newest first, and how each one is
    List(StreamListArgs),
    /// Show a stream, how it is and what was counted
    Show {
        /// Id of the stream
        id: String,
    },
    /// Change a stream; what is watched, and how, while it is stopped
    Update(StreamUpdateArgs),
    /// Print scenes as they come, after those that are there, until the stream ends
    ///
    /// A line for each scene; JSON is one object a line. Ctrl-C leaves the stream running.
    Watch(StreamWatchArgs),
    /// Stop streams; their scenes stay for a day
    Stop {
        /// Ids of the streams
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Delete streams with everything that is stored of them
    Delete {
        /// Ids of the streams
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Try a source once: what it sends, or why it cannot be watched
    ///
    /// Ends with 1 if it cannot be watched.
    Test(StreamTestArgs),
    /// Write a picture of a stream as a JPEG: the newest one, or one that was recorded
    #[command(after_help = "Example: zoetrope stream snapshot st_01k8x3q0 --at 2026-11-22T09:30:00Z --out door.jpg")]
    Snapshot(StreamSnapshotArgs),
}

#[derive(Debug, Args)]
pub(crate) struct StreamCreateArgs {
    /// The source, such as `rtsp://192.168.1.20:554/live`, over RTSP, RTMP or HLS: H.264 or H.265
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) settings: StreamSettings,
    /// Makes repeated creations one stream
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct StreamStartArgs {
    /// Id of the stream, or the URL of a source to create one of
    #[arg(value_name = "ID|URL")]
    pub(crate) stream: String,
    #[command(flatten)]
    pub(crate) settings: StreamSettings,
    /// Makes repeated creations one stream
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Print its scenes as `stream watch` does, instead of the stream
    #[arg(long, short)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StreamUpdateArgs {
    /// Id of the stream
    pub(crate) id: String,
    /// Another source; credentials go with the one before
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) settings: StreamSettings,
    /// Forget user name and password
    #[arg(long, conflicts_with = "username")]
    pub(crate) no_credentials: bool,
}

/// What a stream is made of beside its URL.
#[derive(Debug, Args)]
pub(crate) struct StreamSettings {
    /// Name for people
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Frames looked at a second, 0.02 to 30 [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) fps: Option<f64>,
    /// Stop by itself this long after its start, such as 90s or 8h [default: never]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// What a scene spans [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) window: Option<Duration>,
    /// From the start of a scene to the start of the next [default: as long as a scene]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) hop: Option<Duration>,
    /// What a vision model should say of each scene; takes one that is configured
    #[arg(long, value_name = "TEXT")]
    pub(crate) prompt: Option<String>,
    /// The same camera's smaller stream, watched instead; what is recorded is the other one
    #[arg(long, value_name = "URL")]
    pub(crate) detect_url: Option<String>,
    /// Record it while it is started
    #[arg(long)]
    pub(crate) store: bool,
    /// Do not record it
    #[arg(long, conflicts_with = "store")]
    pub(crate) no_store: bool,
    /// Who describes: a provider's name, `auto` or `local` [default: `auto` with a prompt, else `local`]
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// The provider's model, or a tier: mini, basic, pro, ultra
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// US dollars that models may cost in an hour; over it they are asked less often [default: no bound]
    #[arg(long, value_name = "USD")]
    pub(crate) budget: Option<f64>,
    /// Take packets as UDP datagrams instead of inside the connection
    #[arg(long)]
    pub(crate) udp: bool,
    /// Take packets inside the connection
    #[arg(long, conflicts_with = "udp")]
    pub(crate) tcp: bool,
    #[command(flatten)]
    pub(crate) login: LoginArgs,
    /// Label for listing; may be repeated
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,
}

/// Who we are to a camera.
#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// User name, where the camera asks for one
    #[arg(long, value_name = "NAME", requires = "password_file")]
    pub(crate) username: Option<String>,
    /// File with the password, - for stdin: arguments can be read by others on this machine
    #[arg(long, value_name = "FILE|-", requires = "username")]
    pub(crate) password_file: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct StreamListArgs {
    /// Only streams in this state
    #[arg(long, value_parser = ["connecting", "connected", "reconnecting", "stopped", "error"])]
    pub(crate) state: Option<String>,
    /// Only those whose name contains this
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Only those with this tag
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// Oldest first
    #[arg(long)]
    pub(crate) oldest: bool,
    /// Most to print
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) limit: u16,
    /// Where the last page ended
    #[arg(long)]
    pub(crate) cursor: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct StreamWatchArgs {
    /// Id of the stream, or of a `stream_ingest` task
    pub(crate) id: String,
    /// Only scenes after this one's `seq`
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub(crate) since: u64,
    /// Leave after this, such as 90s or 10m; the stream goes on
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct StreamTestArgs {
    /// URL of a source, or the id of a stream, which is tried with its own credentials
    #[arg(value_name = "URL|ID")]
    pub(crate) source: String,
    /// Of a stream that is there: which of its sources [default: the one that is watched]
    #[arg(long, value_name = "WHICH", value_parser = ["url", "detect_url"])]
    pub(crate) which: Option<String>,
    /// Take packets as UDP datagrams instead of inside the connection
    #[arg(long)]
    pub(crate) udp: bool,
    #[command(flatten)]
    pub(crate) login: LoginArgs,
}

#[derive(Debug, Args)]
pub(crate) struct StreamSnapshotArgs {
    /// Id of the stream; with --at, or of a `stream_ingest` task that recorded by itself
    pub(crate) id: String,
    /// What was recorded at this time: Unix seconds, or such as 2026-11-22T09:30:00.5Z [default: the newest picture]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) at: Option<f64>,
    /// Pixels from left to right at most, 16 to 1920
    #[arg(long, value_name = "PIXELS", requires = "at")]
    pub(crate) width: Option<u32>,
    /// Where to write it [default: the stream's id and .jpg]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}
