//! What was acknowledged, written down outside of Redis before anything is killed.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

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

    /// Writes an id down; it is on the disk when this returns.
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
