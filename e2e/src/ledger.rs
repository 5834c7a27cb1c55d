//! What was promised and what was done, written down outside of Redis: whatever happens to the system under test, a
//! promise can be held against it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use zoetrope_queue::{Clock, SystemClock};

/// An append-only list of ids that survives whatever happens to the system under test.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: File,
}

impl Ledger {
    /// An empty ledger in this folder.
    pub fn create(dir: &Path) -> Self {
        let path = dir.join("acknowledged");
        let file = File::options()
            .create_new(true)
            .append(true)
            .open(&path)
            .expect("the ledger should be writable");
        Self { path, file }
    }

    /// Another handle on it.
    #[must_use]
    pub fn again(&self) -> Self {
        Self {
            path: self.path.clone(),
            file: self.file.try_clone().expect("a file can be opened twice"),
        }
    }

    /// Writes ids down; they are on the disk when this returns.
    pub fn acknowledge(&mut self, ids: &[String]) {
        let lines: String = ids.iter().map(|id| format!("{id}\n")).collect();
        self.file
            .write_all(lines.as_bytes())
            .and_then(|()| self.file.sync_data())
            .expect("the ledger should be writable");
    }

    /// Every id, read back.
    pub fn ids(&self) -> BTreeSet<String> {
        let text = std::fs::read_to_string(&self.path).expect("the ledger should be readable");
        text.lines().map(str::to_owned).collect()
    }
}

/// What an attempt did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It began.
    Ran,
    /// Its work is over; whether that counts, Redis decides.
    Done,
    /// It wrote outside its result, and that was accepted.
    Wrote,
    /// It tried to, and was refused: it does not hold the task any more.
    Refused,
}

/// A line of a worker's diary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The task.
    pub id: String,
    /// Process of the worker.
    pub pid: u32,
    /// Unix milliseconds.
    pub at_ms: u64,
    /// Its lease token: unique among the attempts of the task.
    pub token: String,
    /// What happened.
    pub deed: Deed,
}

/// What one worker process does, line by line. Not synced: the process is killed, the machine is not.
#[derive(Debug)]
pub struct Diary {
    file: File,
}

impl Diary {
    /// This process's own, in the folder of the ledger.
    pub fn open(dir: &Path) -> Self {
        let path = dir.join(format!("diary-{}", std::process::id()));
        let file = File::options().create(true).append(true).open(path);
        Self {
            file: file.expect("the diary should be writable"),
        }
    }

    /// Another handle on it.
    #[must_use]
    pub fn again(&self) -> Self {
        Self {
            file: self.file.try_clone().expect("a file can be opened twice"),
        }
    }

    /// Writes a line by one system call: lines of several handles do not mix. Where it crosses a page of the file, a
    /// reader may see its first part alone for a moment, and a process killed between the two leaves that part.
    pub fn note(&self, id: &str, token: &str, deed: Deed) {
        let letter = match deed {
            Deed::Ran => 'r',
            Deed::Done => 'd',
            Deed::Wrote => 'w',
            Deed::Refused => 'l',
        };
        let line = format!("{} {letter} {id} {token}\n", SystemClock.now_ms());
        (&self.file)
            .write_all(line.as_bytes())
            .expect("the diary should be writable");
    }

    /// All diaries of a folder, in the order of time, without the line that is being written.
    pub fn read_all(dir: &Path) -> Vec<Entry> {
        Self::read_some(dir, |_| true)
    }

    /// The same for lines that are `wanted`.
    pub fn read_some(dir: &Path, wanted: impl Fn(&str) -> bool) -> Vec<Entry> {
        let mut entries = Vec::new();
        for file in std::fs::read_dir(dir).expect("the folder should be readable").flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            let Some(pid) = name.strip_prefix("diary-").and_then(|pid| pid.parse().ok()) else {
                continue;
            };
            let text = std::fs::read_to_string(file.path()).expect("a diary should be readable");
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            let lines = whole.lines().filter(|line| wanted(line));
            entries.extend(lines.map(|line| entry(line, pid)));
        }
        entries.sort_by_key(|entry| entry.at_ms);
        entries
    }
}

fn entry(line: &str, pid: u32) -> Entry {
    let words: Vec<&str> = line.split(' ').collect();
    let [at_ms, letter, id, token] = words[..] else {
        panic!("{line:?} should be a time, a letter, an id and a token");
    };
    let deed = match letter {
        "r" => Deed::Ran,
        "d" => Deed::Done,
        "w" => Deed::Wrote,
        _ => Deed::Refused,
    };
    Entry {
        id: id.to_owned(),
        pid,
        at_ms: at_ms.parse().expect("a time is a number"),
        token: token.to_owned(),
        deed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diary_is_read_while_its_last_line_is_written() {
        let dir = tempfile::tempdir().expect("a folder");
        let diary = Diary::open(dir.path());
        assert_eq!(Diary::read_all(dir.path()), [], "nothing is written yet");
        (&diary.file)
            .write_all(b"1795307767719 l ")
            .expect("the first page of a line");
        assert_eq!(Diary::read_all(dir.path()), [], "half a line is none");
        (&diary.file).write_all(b"t1 k1\n").expect("the rest of it");
        diary.note("t2", "k2", Deed::Ran);
        let ids: Vec<String> = Diary::read_all(dir.path()).into_iter().map(|entry| entry.id).collect();
        assert_eq!(ids, ["t1", "t2"]);
    }
}
