//! Servers in Python that say on which port they listen, as `ready <port>`, once they do.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Debian's own python: others have no `GStreamer`.
pub(crate) const PYTHON: &str = "/usr/bin/python3";
const START_LIMIT: Duration = Duration::from_secs(60);

/// Starts a script of this folder and waits until it listens. Killed when dropped.
pub(crate) async fn start(python: &Path, script: &str, args: &[String]) -> (Child, u16) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(script);
    let mut child = Command::new(python)
        .arg(path)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{} should start, `make setup-tests`: {error}", python.display()));
    let mut lines = BufReader::new(child.stdout.take().expect("stdout should be a pipe")).lines();
    let ready = timeout(START_LIMIT, lines.next_line()).await;
    let line = ready
        .unwrap_or_else(|_| panic!("{script} should be ready in time"))
        .expect("its output should be text")
        .unwrap_or_else(|| panic!("{script} should start: `make setup-tests` installs what it needs"));
    let port = line.strip_prefix("ready ").and_then(|port| port.parse().ok());
    (child, port.unwrap_or_else(|| panic!("{line:?} should tell the port")))
}
