//! One child process that is kept alive: started, started again when it ends, and ended in the end.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::redis_log::AppendOnlyLog;
use crate::out;

/// What to run and how to treat it.
#[derive(Debug)]
pub(super) struct Service {
    /// How messages name it.
    pub(super) name: String,
    /// The executable.
    pub(super) program: PathBuf,
    /// Its arguments.
    pub(super) args: Vec<OsString>,
    /// Its environment, besides ours.
    pub(super) env: Vec<(&'static str, OsString)>,
    /// What the kernel sends it if this process dies.
    pub(super) when_orphaned: Signal,
    /// What is put right before each start.
    pub(super) log: Option<AppendOnlyLog>,
    /// How long it may take to end when asked to.
    pub(super) grace: Duration,
    /// A descriptor that it holds as long as it lives.
    pub(super) holds: Option<OwnedFd>,
    /// A directory that is removed once it has ended.
    #[expect(dead_code, reason = "it is there to be dropped")]
    pub(super) scratch: Option<TempDir>,
}

impl Service {
    /// Runs the child, and again whenever it ends, until `stop`; then ends it.
    ///
    /// `deaths` counts how often it ended by itself.
    pub(super) async fn run(self, stop: CancellationToken, deaths: watch::Sender<u32>) {
        let mut backoff = Backoff::default();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.mend_log() => {}
            }
            let started = Instant::now();
            let how = match self.spawn() {
                Err(error) => format!("could not be started ({error})"),
                Ok(mut child) => tokio::select! {
                    biased;
                    () = stop.cancelled() => return self.end(child).await,
                    status = child.wait() => describe(status),
                },
            };
            deaths.send_modify(|count| *count += 1);
            let pause = backoff.after(started.elapsed());
            out::note(&format!(
                "zoetrope: {} {how}; starting it again in {} ms",
                self.name,
                pause.as_millis()
            ));
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = sleep(pause) => {}
            }
        }
    }

    async fn mend_log(&self) {
        let Some(log) = &self.log else { return };
        if let Some(told) = log.mend().await {
            out::note(&format!("zoetrope: {told}"));
        }
    }

    fn spawn(&self) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        // stdout is ours alone: children talk on stderr.
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        // Ctrl-C reaches this process only, which then ends the children in order.
        command.process_group(0).kill_on_drop(true);
        bind_to_this_process(&mut command, self.when_orphaned);
        if let Some(held) = &self.holds {
            hand_over(&mut command, held);
        }
        command.spawn()
    }

    /// Asks the child to end, and kills it if it does not within its grace.
    async fn end(&self, mut child: Child) {
        let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) else {
            return;
        };
        // It may have ended meanwhile; then there is nobody to tell.
        let _ = rustix::process::kill_process(pid, Signal::TERM);
        if timeout(self.grace, child.wait()).await.is_err() {
            out::note(&format!(
                "zoetrope: {} did not end within {} s and is killed",
                self.name,
                self.grace.as_secs()
            ));
            let _ = child.kill().await;
        }
    }
}

fn describe(status: io::Result<ExitStatus>) -> String {
    match status {
        Err(error) => format!("was lost ({error})"),
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("ended with code {code}"),
            (None, Some(signal)) => format!("was killed by signal {signal}"),
            (None, None) => "ended".to_owned(),
        },
    }
}

/// Has the kernel signal the child when this process dies, however it dies.
///
/// The kernel watches the thread that starts the child, so the runtime has to be the main thread's own.
#[cfg(target_os = "linux")]
pub(super) fn bind_to_this_process(command: &mut Command, signal: Signal) {
    let parent = rustix::process::getpid();
    let in_child = move || {
        rustix::process::set_parent_process_death_signal(Some(signal))?;
        // The parent may have died before the line above.
        if rustix::process::getppid() == Some(parent) {
            Ok(())
        } else {
            Err(rustix::io::Errno::SRCH.into())
        }
    };
    before_exec(command, in_child);
}

#[cfg(not(target_os = "linux"))]
pub(super) fn bind_to_this_process(_command: &mut Command, _signal: Signal) {}

/// Lets the child inherit a descriptor, which otherwise closes as it starts.
fn hand_over(command: &mut Command, held: &OwnedFd) {
    let raw = held.as_raw_fd();
    before_exec(command, move || {
        #[expect(
            unsafe_code,
            reason = "the child owns a copy of every descriptor of its parent until it calls exec"
        )]
        let held = unsafe { BorrowedFd::borrow_raw(raw) };
        Ok(rustix::io::fcntl_setfd(held, rustix::io::FdFlags::empty())?)
    });
}

fn before_exec(command: &mut Command, in_child: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
    #[expect(
        unsafe_code,
        reason = "both callers make system calls only: nothing that may allocate or lock after a fork"
    )]
    unsafe {
        command.pre_exec(in_child);
    }
}
