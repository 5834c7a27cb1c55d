//! One of our executables as a child that can be killed, asked to end, and started again.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::orphan::ends_with_its_test;

/// Longest a process may take to end. Generous: tests wait for the end, they do not measure it.
const END_LIMIT: Duration = Duration::from_secs(60);
/// Lines of its log that a failing test shows.
const SHOWN_LINES: usize = 30;

/// A running process of ours. Killed when dropped; a failing test prints the end of its log.
#[derive(Debug)]
pub struct Process {
    name: String,
    program: PathBuf,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts an executable with nothing but this environment and `PATH`.
    pub fn start(name: &str, program: PathBuf, env: &BTreeMap<String, String>, logs: &Path) -> Self {
        Self::start_with(name, program, Vec::new(), env, logs)
    }

    /// The same with arguments.
    pub fn start_with(
        name: &str,
        program: PathBuf,
        args: Vec<String>,
        env: &BTreeMap<String, String>,
        logs: &Path,
    ) -> Self {
        let log = logs.join(format!("{name}.log"));
        let child = spawn(&program, &args, env, &log);
        Self {
            name: name.to_owned(),
            program,
            args,
            env: env.clone(),
            log,
            child,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        let id = self.child.id().expect("the process should be running");
        Pid::from_raw(id.cast_signed()).expect("process ids should not be 0")
    }

    /// Its process id, also when it has ended and nobody has looked yet; 0 afterwards.
    pub fn id(&self) -> i32 {
        self.child.id().map_or(0, u32::cast_signed)
    }

    /// SIGKILL: it gets no chance to say goodbye.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("a child should be killable");
    }

    /// Starts it again, as it was started first.
    pub fn restart(&mut self) {
        self.child = spawn(&self.program, &self.args, &self.env, &self.log);
    }

    /// Whether it has ended by itself, and how.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be looked at")
    }

    /// What it has written to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGTERM, and waits until it has ended.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).expect("a running child should take signals");
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        let ended = timeout(END_LIMIT, self.child.wait()).await;
        ended
            .unwrap_or_else(|_| panic!("{} should end within {END_LIMIT:?}", self.name))
            .expect("a child can be awaited")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let shown = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n  ");
            tell(&format!("--- the end of {}'s log:\n  {shown}", self.name));
        }
    }
}

/// Path of an executable of ours, in the folder above that of the running test.
///
/// # Panics
/// If it has not been built.
pub fn executable(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a test should know its own path");
    let path = own
        .ancestors()
        .skip(1)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    path.unwrap_or_else(|| panic!("{name} should be built first: `cargo build --workspace --bins`, or `make test`"))
}

fn spawn(program: &Path, args: &[String], env: &BTreeMap<String, String>, log: &Path) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(log)
        .expect("the log should be writable");
    let path = std::env::vars_os()
        .find(|(name, _)| name == "PATH")
        .map(|(_, path)| path)
        .unwrap_or_default();
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .env("PATH", path)
        .envs(env)
        // No `.env` of the checkout gets in.
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true);
    ends_with_its_test(&mut command)
        .spawn()
        .unwrap_or_else(|error| panic!("{} should start: {error}", program.display()))
}

#[expect(clippy::print_stderr, reason = "the test runner shows it beside the failure")]
fn tell(text: &str) {
    eprintln!("{text}");
}
