//! The walk: every key once, every entry of every index once, and every result that has a record against those that are
//! listed.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use redis::FromRedisValue;
use tokio::time::timeout;

use crate::connection::{Blocking, Link};
use crate::error::QueueError;
use crate::fsck::tallies::Tallies;
use crate::fsck::{Fault, Finding, FsckMode, FsckReport};
use crate::id::TaskId;

/// Keys that one SCAN looks at.
const SCANNED: usize = 500;
/// Tasks that one script checks: about ten commands each, half a millisecond together.
const CHECKED: usize = 32;
/// Entries of an index read at once.
const ENTRIES: usize = 256;
/// Records of a span read at once, of at most 130 KB each.
const RECORDS: usize = 32;

/// How often a kept task was found among the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// Its record says that it is there, nobody has seen it yet.
    Expected,
    Once,
}

pub(super) async fn walk(link: &Link, mode: FsckMode) -> Result<FsckReport, QueueError> {
    let mut report = FsckReport::default();
    for shard in link.shards() {
        let mut walk = Walk {
            link,
            shard,
            mode,
            report,
            kept: HashMap::new(),
            tallies: Tallies::default(),
        };
        walk.tallies.since_ms = walk.compare_tallies(&[]).await?;
        let pages = walk.pages().await?;
        let names = walk.every_key().await?;
        for name in names.indexes {
            walk.index("ZSCAN", &name).await?;
        }
        walk.index("HSCAN", "a").await?;
        for name in pages {
            walk.page(&name).await?;
        }
        walk.results(names.moments).await?;
        walk.tallies().await?;
        report = walk.report;
    }
    Ok(report)
}

struct Walk<'a> {
    link: &'a Link,
    shard: u16,
    mode: FsckMode,
    report: FsckReport,
    kept: HashMap<TaskId, Kept>,
    tallies: Tallies,
}

/// A walk through the names of keys.
struct Scan {
    server: Blocking,
    pattern: String,
    patience: Duration,
    /// `None` at the end.
    cursor: Option<u64>,
}

impl Scan {
    /// Some keys; a key may come twice. `None` once all have come.
    async fn next(&mut self) -> Result<Option<Vec<String>>, QueueError> {
        let Some(cursor) = self.cursor else { return Ok(None) };
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor)
            .arg("MATCH")
            .arg(&self.pattern)
            .arg("COUNT")
            .arg(SCANNED);
        let scanning = scan.query_async(&mut self.server);
        let (cursor, keys): (u64, Vec<String>) = timeout(self.patience, scanning)
            .await
            .map_err(|_| QueueError::Unavailable("no answer to a scan".to_owned()))??;
        self.cursor = (cursor != 0).then_some(cursor);
        Ok(Some(keys))
    }
}

/// Whether a hash of records may have this name: it begins ids of its span.
fn is_span(name: &str) -> bool {
    let first = format!("{name:0<20}").parse::<TaskId>();
    first.is_ok_and(|id| id.span() == name)
}

fn unmendable(fault: Fault, subject: &str, index: Option<&str>) -> Finding {
    Finding {
        fault,
        subject: subject.to_owned(),
        index: index.map(str::to_owned),
        mended: false,
    }
}

/// What the scan leaves to be looked into.
#[derive(Default)]
struct Names {
    /// Sorted sets of task ids.
    indexes: BTreeSet<String>,
    /// Moments at which results may go.
    moments: BTreeSet<String>,
}

impl Walk<'_> {
    /// Checks that tenants' lists name their pages, before tasks are looked for on these. Returns the pages.
    async fn pages(&mut self) -> Result<BTreeSet<String>, QueueError> {
        let mut pages = BTreeSet::new();
        let mut scan = self.scan("ix:*").await?;
        while let Some(keys) = scan.next().await? {
            for key in keys {
                let name = &key[self.link.keys(self.shard).prefix().len()..];
                if name.matches(':').count() > 1 {
                    pages.insert(name.to_owned());
                    continue;
                }
                let mut named = redis::cmd("ZRANGE");
                named.arg(&key).arg(0).arg(-1);
                let named: Vec<String> = self.ask(&named).await?;
                pages.extend(named.iter().map(|page| format!("{name}:{page}")));
            }
        }
        let names: Vec<String> = pages.iter().cloned().collect();
        self.keys(&names).await?;
        Ok(pages)
    }

    /// Checks every record and every key that is not an index.
    async fn every_key(&mut self) -> Result<Names, QueueError> {
        let mut names = Names::default();
        let mut scan = self.scan("*").await?;
        while let Some(keys) = scan.next().await? {
            self.some_keys(&keys, &mut names).await?;
        }
        Ok(names)
    }

    async fn scan(&self, pattern: &str) -> Result<Scan, QueueError> {
        Ok(Scan {
            // Each server of a cluster has keys of its own.
            server: self.link.blocking_connection(&self.key("meta")).await?,
            pattern: self.key(pattern),
            patience: self.link.response_timeout,
            cursor: Some(0),
        })
    }

    async fn some_keys(&mut self, found: &[String], names: &mut Names) -> Result<(), QueueError> {
        let (mut spans, mut outputs, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for key in found {
            let name = &key[self.link.keys(self.shard).prefix().len()..];
            let (class, rest) = name.split_once(':').unwrap_or((name, ""));
            self.report.keys += 1;
            match class {
                "t" if is_span(rest) => spans.push(name.to_owned()),
                "o" => self.sort_in(rest, name, &mut outputs),
                "n" => self.tallies.expect(rest),
                "done" if !rest.is_empty() => drop(names.moments.insert(rest.to_owned())),
                "lease" | "tm" | "wait" | "dl" | "park" | "c" => drop(names.indexes.insert(name.to_owned())),
                "q" | "f" | "solo" | "exp" => {
                    names.indexes.insert(name.to_owned());
                    keys.push(name.to_owned());
                }
                "idem" | "u" | "idle" | "fl" | "r" | "w" | "rp" | "rt" | "watched" | "tick" | "hold" | "jh" => {
                    keys.push(name.to_owned());
                }
                "meta" | "kinds" | "workers" | "own" | "rules" | "bounds" | "fm" | "b" | "ev" | "done" | "jn" | "a"
                | "ix" | "jp" | "j" => {}
                _ => self.unknown(name),
            }
        }
        for name in &spans {
            self.span(name).await?;
        }
        self.tasks("o", "", &outputs).await?;
        self.keys(&keys).await
    }

    /// Checks every record of a span.
    async fn span(&mut self, name: &str) -> Result<(), QueueError> {
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("HSCAN");
            scan.arg(self.key(name)).arg(cursor).arg("COUNT").arg(RECORDS);
            let scanned = scan.query_async(&mut self.link.connection()).await;
            let (next, fields): (u64, Vec<(String, redis::Value)>) = match scanned {
                Ok(answer) => answer,
                Err(error) if error.code() == Some("WRONGTYPE") => {
                    self.report.add(unmendable(Fault::UnreadableSpan, name, None));
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
            let mut ids = Vec::new();
            for (field, _) in fields {
                match field.parse::<TaskId>() {
                    Ok(id) if name.ends_with(&id.span()) => ids.push(id),
                    _ => self.report.add(unmendable(Fault::NotOfSpan, &field, Some(name))),
                }
            }
            // A scan may show a span, and a record in it, twice.
            ids.retain(|id| !self.kept.contains_key(id));
            self.report.tasks += ids.len() as u64;
            self.tasks("", "", &ids).await?;
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    fn sort_in(&mut self, id: &str, name: &str, ids: &mut Vec<TaskId>) {
        match id.parse() {
            Ok(id) => ids.push(id),
            Err(_) => self.unknown(name),
        }
    }

    fn unknown(&mut self, name: &str) {
        self.report.add(unmendable(Fault::UnknownKey, name, None));
    }

    /// Checks every task that an index names, or of which there is an attempt.
    async fn index(&mut self, scanning: &str, name: &str) -> Result<(), QueueError> {
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd(scanning);
            scan.arg(self.key(name)).arg(cursor).arg("COUNT").arg(ENTRIES);
            let (next, entries): (u64, Vec<(String, String)>) = self.ask(&scan).await?;
            let ids: BTreeSet<TaskId> = entries.iter().filter_map(|(id, _)| id.parse().ok()).collect();
            self.tasks(name, "", &ids.into_iter().collect::<Vec<_>>()).await?;
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    /// Checks every task that a page of a tenant's list names.
    async fn page(&mut self, name: &str) -> Result<(), QueueError> {
        let mut start = 0;
        loop {
            let entries = self.entries(name, start).await?;
            let ids: Vec<TaskId> = entries.iter().filter_map(|id| id.parse().ok()).collect();
            self.tasks(name, "", &ids).await?;
            start += ENTRIES;
            if entries.len() < ENTRIES {
                return Ok(());
            }
        }
    }

    /// Some of a list.
    async fn entries(&self, name: &str, start: usize) -> Result<Vec<String>, QueueError> {
        let mut range = redis::cmd("LRANGE");
        range.arg(self.key(name)).arg(start).arg(start + ENTRIES - 1);
        self.ask(&range).await
    }

    /// Compares the lists of results with the records: first what is listed, then what is missing there.
    async fn results(&mut self, mut moments: BTreeSet<String>) -> Result<(), QueueError> {
        let mut all = redis::cmd("ZRANGE");
        all.arg(self.key("done")).arg(0).arg(-1);
        moments.extend(self.ask::<Vec<String>>(&all).await?);
        let names: Vec<String> = moments.iter().map(|moment| format!("done:{moment}")).collect();
        self.keys(&names).await?;
        for name in &names {
            self.listed(name).await?;
        }
        let expected = self.kept.iter().filter(|(_, kept)| **kept == Kept::Expected);
        let missing: Vec<TaskId> = expected.map(|(id, _)| *id).collect();
        self.tasks("", "missing", &missing).await
    }

    async fn listed(&mut self, name: &str) -> Result<(), QueueError> {
        let mut start = 0;
        loop {
            let entries = self.entries(name, start).await?;
            let (mut once, mut twice) = (Vec::new(), Vec::new());
            for id in entries.iter().filter_map(|id| id.parse::<TaskId>().ok()) {
                match self.kept.insert(id, Kept::Once) {
                    Some(Kept::Once) => twice.push(id),
                    Some(Kept::Expected) | None => once.push(id),
                }
            }
            self.tasks(name, "", &once).await?;
            self.tasks(name, "twice", &twice).await?;
            start += ENTRIES;
            if entries.len() < ENTRIES {
                return Ok(());
            }
        }
    }

    /// Checks these tasks, named by this index; remembers which of them are kept among the results.
    async fn tasks(&mut self, index: &str, suspect: &str, ids: &[TaskId]) -> Result<(), QueueError> {
        for piece in ids.chunks(CHECKED) {
            let mut args = vec![self.mode_word(), index, suspect];
            args.extend(piece.iter().map(TaskId::as_str));
            let words: Vec<String> = self.link.call(self.shard, &self.link.scripts.fsck_tasks, &args).await?;
            for (id, word) in piece.iter().zip(words) {
                let mut parts = word.split(',');
                match parts.next().and_then(|word| word.split_at_checked(1)) {
                    Some(("r", _)) => drop(self.kept.entry(*id).or_insert(Kept::Expected)),
                    Some(("l", told)) => self.tallies.add(*id, told),
                    _ => {}
                }
                for fault in parts {
                    self.found(fault, id.as_str(), Some(index).filter(|index| !index.is_empty()))?;
                }
            }
        }
        Ok(())
    }

    async fn keys(&mut self, names: &[String]) -> Result<(), QueueError> {
        for piece in names.chunks(CHECKED) {
            let mut args = vec![self.mode_word()];
            args.extend(piece.iter().map(String::as_str));
            let faults: Vec<String> = self.link.call(self.shard, &self.link.scripts.fsck_keys, &args).await?;
            for (name, fault) in piece.iter().zip(&faults).filter(|(_, fault)| !fault.is_empty()) {
                self.found(fault, name, None)?;
            }
        }
        Ok(())
    }

    /// Compares what the scripts have counted of tenants with what was found.
    async fn tallies(&mut self) -> Result<(), QueueError> {
        let tallies = std::mem::take(&mut self.tallies);
        self.tallies.since_ms = tallies.since_ms;
        for piece in tallies.into_args().chunks(CHECKED) {
            self.compare_tallies(piece).await?;
        }
        Ok(())
    }

    /// Returns the time at which they were compared.
    async fn compare_tallies(&mut self, tenants: &[[String; 3]]) -> Result<u64, QueueError> {
        let mut args = vec![self.mode_word().to_owned(), self.tallies.since_ms.to_string()];
        args.extend(tenants.iter().flatten().cloned());
        let (now, faults): (u64, Vec<String>) =
            self.link.call(self.shard, &self.link.scripts.fsck_tally, &args).await?;
        for ([tenant, ..], fault) in tenants.iter().zip(&faults).filter(|(_, fault)| !fault.is_empty()) {
            self.found(fault, &format!("n:{tenant}"), None)?;
        }
        Ok(now)
    }

    fn found(&mut self, fault: &str, subject: &str, index: Option<&str>) -> Result<(), QueueError> {
        let fault: Fault = serde_json::from_value(fault.into())
            .map_err(|error| QueueError::Other(format!("a script found an unknown fault: {error}")))?;
        self.report.add(Finding {
            fault,
            subject: subject.to_owned(),
            index: index.map(str::to_owned),
            mended: self.mode == FsckMode::Fix && fault.is_mendable(),
        });
        Ok(())
    }

    async fn ask<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, QueueError> {
        Ok(command.query_async(&mut self.link.connection()).await?)
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.link.keys(self.shard).prefix())
    }

    fn mode_word(&self) -> &'static str {
        match self.mode {
            FsckMode::Check => "0",
            FsckMode::Fix => "1",
        }
    }
}
