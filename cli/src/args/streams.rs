//! Arguments of `zoetrope stream`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{PageArgs, parse_duration};

#[derive(Debug, Subcommand)]
pub(crate) enum StreamCommand {
    /// Start watching an RTSP or RTMP stream; prints the task that does
    #[command(after_help = "Example: zoetrope stream start rtsp://camera.example.com/live --duration 10m --watch")]
    Start(StreamStartArgs),
    /// List streams, newest first, and how each one is
    List(PageArgs),
    /// Print scenes as they come, after those that are there, until the stream ends
    ///
    /// A line for each scene; JSON is one object a line. Ctrl-C leaves the stream running.
    Watch(StreamWatchArgs),
    /// Stop streams; their scenes stay for a day
    Stop {
        /// Ids of the streams' tasks
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct StreamStartArgs {
    /// The stream, such as `rtsp://192.168.1.20:554/live` or `rtmp://host/app/stream`: H.264 or H.265
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// Frames looked at a second, 0.02 to 30 [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) fps: Option<f64>,
    /// End by itself after this, such as 90s or 8h [default: never]
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
    /// Take packets as UDP datagrams instead of inside the connection
    #[arg(long)]
    pub(crate) udp: bool,
    /// User name, where the camera asks for one
    #[arg(long, value_name = "NAME", requires = "password_file")]
    pub(crate) username: Option<String>,
    /// File with the password, - for stdin: arguments can be read by others on this machine
    #[arg(long, value_name = "FILE|-", requires = "username")]
    pub(crate) password_file: Option<String>,
    /// Label for listing; may be repeated
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,
    /// Makes repeated starts one stream
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Print its scenes as `stream watch` does, instead of the task
    #[arg(long, short)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StreamWatchArgs {
    /// Id of the stream's task
    pub(crate) id: String,
    /// Only scenes after this one's `seq`
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub(crate) since: u64,
    /// Leave after this, such as 90s or 10m; the stream goes on
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
}
