//! The demonstration's camera: an RTSP server of `GStreamer`'s on a loopback address that nothing else uses.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::service::bind_to_this_process;
use crate::plain::one_line;

/// The system's own python: others have no `GStreamer`.
const PYTHON: &str = "/usr/bin/python3";
const SCRIPT: &str = include_str!("../../assets/camera.py");
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 90, 84, 1);
/// RTSP's usual second choice; the script takes another where it is in use.
const PORT: &str = "8554";
/// `GStreamer` looks through its plugins when it runs for the first time.
const START_LIMIT: Duration = Duration::from_secs(20);
const REASON_WIDTH: usize = 120;

/// What users' URLs have to be allowed to reach, in the notation of `NETGUARD_ALLOW_CIDRS`.
pub(super) const ALLOWED: &str = "127.90.84.1/32";

/// A running camera, killed when dropped.
#[derive(Debug)]
pub(super) struct Camera {
    _child: Child,
    /// Where it can be watched.
    pub(super) url: String,
}

impl Camera {
    /// Starts it and waits until it listens; otherwise says why it cannot be.
    pub(super) async fn start() -> Result<Self, String> {
        Self::start_with(Path::new(PYTHON), SCRIPT).await
    }

    async fn start_with(python: &Path, script: &str) -> Result<Self, String> {
        let mut command = Command::new(python);
        command
            .args(["-c", script, &ADDRESS.to_string(), PORT])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // What GStreamer talks about there is not for the user of a demonstration.
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        bind_to_this_process(&mut command, Signal::KILL);
        let spawned = command.spawn();
        let mut child = spawned.map_err(|error| format!("{} cannot be run ({error})", python.display()))?;
        let stdout = child.stdout.take().ok_or("its output is no pipe")?;
        let line = timeout(START_LIMIT, BufReader::new(stdout).lines().next_line()).await;
        let line = line.map_err(|_| format!("it was not ready within {} s", START_LIMIT.as_secs()))?;
        let line = line.ok().flatten().unwrap_or_default();
        if let Some(port) = line.strip_prefix("ready ").and_then(|port| port.parse::<u16>().ok()) {
            return Ok(Self {
                _child: child,
                url: format!("rtsp://{ADDRESS}:{port}/demo"),
            });
        }
        let why = one_line(line.strip_prefix("failed ").unwrap_or(&line), REASON_WIDTH);
        Err(format!(
            "GStreamer's RTSP server does not start ({}); `make setup` installs it",
            if why.is_empty() { "it says nothing" } else { &why }
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_may_reach_the_camera_and_no_other_address() {
        assert_eq!(ALLOWED, format!("{ADDRESS}/32"));
        assert!(ADDRESS.is_loopback() && ADDRESS != Ipv4Addr::LOCALHOST);
    }

    #[tokio::test]
    async fn a_camera_that_cannot_be_started_says_why() {
        let why = async |python: &str, script: &str| Camera::start_with(Path::new(python), script).await.unwrap_err();
        assert!(
            why("/nowhere/python3", "")
                .await
                .contains("/nowhere/python3 cannot be run")
        );
        // A shell understands `-c` too.
        let named = why("/bin/sh", "echo failed Namespace GstRtspServer not available").await;
        assert!(named.contains("(Namespace GstRtspServer not available)"), "{named}");
        assert!(why("/bin/sh", "exit 1").await.contains("says nothing"));
    }
}
