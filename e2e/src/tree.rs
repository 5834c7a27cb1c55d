//! Processes of the machine: who is whose child, and when one has ended. Linux only, as `/proc` is.

use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, interval, timeout};

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The children of a process that have this name.
pub fn children_of(parent: Pid, name: &str) -> Vec<Pid> {
    all()
        .into_iter()
        .filter(|process| process.parent == parent && process.name == name)
        .map(|process| process.pid)
        .collect()
}

/// Waits until a process has children of this name, and answers them.
pub async fn until_children_of(parent: Pid, name: &str) -> Vec<Pid> {
    let give_up = Instant::now() + PATIENCE;
    let mut ticks = interval(LOOK_AGAIN);
    loop {
        ticks.tick().await;
        let children = children_of(parent, name);
        if !children.is_empty() {
            return children;
        }
        assert!(
            Instant::now() < give_up,
            "process {parent} should start {name} within {PATIENCE:?}"
        );
    }
}

/// Every process below this one.
pub fn descendants_of(root: Pid) -> Vec<Pid> {
    let all = all();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(
            all.iter()
                .filter(|process| process.parent == parent)
                .map(|process| process.pid),
        );
        next += 1;
    }
    found.split_off(1)
}

/// Waits until the process, which may be anybody's, has ended.
pub async fn ended(pid: Pid) {
    // A process that is gone has ended.
    let Ok(process) = pidfd_open(pid, PidfdFlags::NONBLOCK) else {
        return;
    };
    #[expect(
        unsafe_code,
        reason = "the descriptor stays open and the same: the AsyncFd owns it until it is dropped"
    )]
    let process = unsafe { AsyncFd::register_with_interest(process, Interest::READABLE) };
    let process = process.expect("a pidfd can be polled");
    let ended = timeout(PATIENCE, process.readable()).await;
    drop(
        ended
            .unwrap_or_else(|_| panic!("process {pid} should end within {PATIENCE:?}"))
            .expect("a pidfd can be polled"),
    );
}

/// Descriptors that a process has open.
pub fn open_files(pid: Pid) -> usize {
    let folder = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("a child's descriptors should be readable");
    folder.count()
}

struct Entry {
    pid: Pid,
    parent: Pid,
    name: String,
}

fn all() -> Vec<Entry> {
    let entries = std::fs::read_dir("/proc").expect("/proc should be there");
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw));
    pids.filter_map(entry).collect()
}

/// `None` if it has ended meanwhile.
fn entry(pid: Pid) -> Option<Entry> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // pid (name) state parent ...; the name may hold anything, parentheses too.
    let (start, rest) = stat.rsplit_once(')')?;
    let name = start.split_once('(')?.1.to_owned();
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let parent = Pid::from_raw(fields.next()?.parse().ok()?)?;
    // A zombie has ended; only its parent has not looked yet.
    (state != "Z").then_some(Entry { pid, parent, name })
}
