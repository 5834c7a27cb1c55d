//! One media child: its process, its socket, its private folder. Dropping it kills its process group.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::{ExitStatus, Stdio};
use std::sync::Once;
use std::time::Duration;

use bytes::Buf;
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinSet;

use super::{Listener, MediaPoolConfig, STREAM_REQUESTS_IN_ONE};
use crate::metrics::Metrics;
use crate::protocol::{
    self, FOLDER_PREFIX, MAX_MEDIA_BYTES, MAX_RESULT_BYTES, ProtocolError, Reply, Request, SANDBOX_NOTE,
};

/// Longest line of a child's standard error that is logged, bytes; a longer one is split.
const MAX_LOG_LINE_BYTES: u64 = 500;

/// Beginning of the kinds of requests about streams.
const STREAM_KINDS: &str = "stream.";

static LESS_CONFINED: Once = Once::new();

/// A running child.
#[derive(Debug)]
pub(super) struct MediaChild {
    process: Child,
    /// Read by way of a buffer: an answer is three pieces, and small.
    socket: BufReader<UnixStream>,
    /// Requests so far; see [`MediaChild::wear`].
    wear: u32,
    /// Wear, in requests that are about no stream, at which its memory was looked at.
    weighed_at: u32,
    metrics: Metrics,
    /// Reads standard error until the child is gone.
    _log: JoinSet<()>,
    /// The child's working folder, removed with it if the child did not come to unlink it.
    _folder: TempDir,
}

impl MediaChild {
    /// Starts a child with nothing but a socket, an empty folder, the names of what it may read and two harmless
    /// variables.
    pub(super) fn spawn(config: &MediaPoolConfig, metrics: Metrics) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(FOLDER_PREFIX).tempdir()?;
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut process = Command::new(&config.executable)
            .arg(&config.inputs)
            .args(&config.readable)
            // No secrets of ours. OpenMP's threads spin against each other; parallelism comes from children.
            .env_clear()
            .env("OMP_THREAD_LIMIT", "1")
            .env("LANG", "C.UTF-8")
            .current_dir(folder.path())
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut log = JoinSet::new();
        if let Some(stderr) = process.stderr.take() {
            log.spawn(log_lines(stderr, process.id()));
        }
        metrics.media_child_started();
        let socket = BufReader::new(UnixStream::from_std(ours)?);
        Ok(Self {
            process,
            socket,
            wear: 0,
            weighed_at: 0,
            metrics,
            _log: log,
            _folder: folder,
        })
    }

    /// Sends a request and listens until its final reply. The child is unusable after an error.
    pub(super) async fn converse(
        &mut self,
        request: &Request,
        media: &[u8],
        listener: &mut dyn Listener,
    ) -> Result<(Reply, Vec<u8>), ProtocolError> {
        let of_a_stream = request.kind.starts_with(STREAM_KINDS);
        self.wear += if of_a_stream { 1 } else { STREAM_REQUESTS_IN_ONE };
        // In one call, so that the child is not woken by the head alone.
        let head = protocol::head(request, media.len(), MAX_MEDIA_BYTES)?;
        self.socket.write_all_buf(&mut head.as_slice().chain(media)).await?;
        loop {
            let frame = protocol::read_async(&mut self.socket, MAX_RESULT_BYTES).await?;
            let frame = frame.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
            match frame.header()? {
                Reply::Progress { percent, message } => listener.progress(percent.min(100), &message),
                Reply::Picture { name } => listener.picture(name, frame.body).await,
                last => return Ok((last, frame.body)),
            }
        }
    }

    /// Requests that it was given, each times [`STREAM_REQUESTS_IN_ONE`]; one about a stream counts once.
    pub(super) fn wear(&self) -> u32 {
        self.wear
    }

    /// Its process id while it lives.
    pub(super) fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Whether it still runs.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Memory that it holds, bytes, if it has worn since it was last asked; 0 where the system does not tell.
    pub(super) fn newly_resident_bytes(&mut self) -> u64 {
        let wear = self.wear / STREAM_REQUESTS_IN_ONE;
        if std::mem::replace(&mut self.weighed_at, wear) == wear {
            return 0;
        }
        let Some(pid) = self.pid() else { return 0 };
        let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else {
            return 0;
        };
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kibibytes.unwrap_or(0) * 1024
    }

    /// How it ended, in words; it is killed if it has not ended by then.
    pub(super) async fn status_within(&mut self, patience: Duration) -> String {
        match tokio::time::timeout(patience, self.process.wait()).await {
            Ok(Ok(status)) => describe(status),
            Ok(Err(error)) => format!("is lost ({error})"),
            Err(_) => "broke the protocol and was killed".to_owned(),
        }
    }
}

impl Drop for MediaChild {
    fn drop(&mut self) {
        // The id is there until the process is reaped, so it names no other process.
        let group = self
            .process
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(Pid::from_raw);
        if let Some(group) = group {
            // The only error is that it is gone already.
            let _ = kill_process_group(group, Signal::KILL);
        }
        self.metrics.media_child_ended();
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("was ended by signal {signal}"),
        (None, Some(code)) => format!("exited with code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

async fn log_lines(stderr: ChildStderr, pid: Option<u32>) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = tokio::io::AsyncReadExt::take(&mut stderr, MAX_LOG_LINE_BYTES);
        match limited.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) if line.starts_with(SANDBOX_NOTE.as_bytes()) => {
                let told = String::from_utf8_lossy(&line).into_owned();
                // Every child says the same.
                LESS_CONFINED.call_once(|| tracing::warn!("media children are less confined: {:?}", told.trim_end()));
            }
            // Debug form: what a decoder prints may hold control characters from the medium.
            Ok(_) => tracing::debug!(pid, line = ?String::from_utf8_lossy(&line).trim_end(), "media child says"),
        }
    }
}
