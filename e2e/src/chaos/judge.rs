//! What is held against the promises: the ledger and the diaries on one side, what Redis holds on the other.

use std::collections::{BTreeSet, HashMap};

use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use zoetrope_queue::{FsckMode, Queue};

use crate::ledger::{Deed, Entry};

/// What the queue's keys begin with. As a witness, this reads them by itself.
pub(crate) const PREFIX: &str = "z:{s00}:";
/// Characters of a lease token that a record keeps.
const TOKEN_KEPT: usize = 6;
/// Ids and records that are read at once.
const PIECE: isize = 2_000;
/// Losses in a row after which a task is a dead letter, by rule.
const LOSSES: usize = 3;

/// Something that has to hold, with the figure that was measured.
#[derive(Debug, Clone)]
pub struct Promise {
    /// What has to hold, and what was seen.
    pub text: String,
    /// Whether it held.
    pub kept: bool,
    /// Whether it is about time, which means nothing on a machine that is busy otherwise.
    pub timed: bool,
}

/// How a case went.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Tasks acknowledged.
    pub tasks: usize,
    /// Acknowledged tasks that are nowhere.
    pub lost: usize,
    /// Tasks that were committed twice.
    pub twice: usize,
    /// Writes with a stale lease token that were refused.
    pub refused: usize,
    /// Writes with a stale lease token that were accepted.
    pub accepted: usize,
    /// Attempts beyond the first of each task.
    pub reruns: usize,
    /// From a kill to the next start of what it held, for first losses, ascending, milliseconds.
    pub recovery_ms: Vec<u64>,
    /// Tasks that had not ended in time.
    pub stuck: usize,
    /// Tasks that ended in another way than they should.
    pub failed: usize,
    /// Dead letters that had cost three workers in a row, as the rule is.
    pub dead_by_rule: usize,
    /// What fsck found afterwards.
    pub fsck: u64,
    /// What this case promises beyond that.
    pub promises: Vec<Promise>,
    /// Why it could not be played here, if it could not.
    pub skipped: Option<String>,
}

impl Verdict {
    /// A case that could not go on.
    pub(crate) fn broken(text: String) -> Self {
        let mut verdict = Self::default();
        verdict.promise(false, text);
        verdict
    }

    /// A case that this machine cannot play.
    pub(crate) fn skipped(why: impl Into<String>) -> Self {
        Self {
            skipped: Some(why.into()),
            ..Self::default()
        }
    }

    /// Holds one more promise against what was seen.
    pub(crate) fn promise(&mut self, kept: bool, text: impl Into<String>) {
        let (text, timed) = (text.into(), false);
        self.promises.push(Promise { text, kept, timed });
    }

    /// The same for a promise about time.
    pub(crate) fn promise_in_time(&mut self, kept: bool, text: impl Into<String>) {
        let (text, timed) = (text.into(), true);
        self.promises.push(Promise { text, kept, timed });
    }

    /// Takes another play of the same case in.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.tasks += other.tasks;
        self.lost += other.lost;
        self.twice += other.twice;
        self.refused += other.refused;
        self.accepted += other.accepted;
        self.reruns += other.reruns;
        self.recovery_ms.extend(other.recovery_ms);
        self.recovery_ms.sort_unstable();
        self.stuck += other.stuck;
        self.failed += other.failed;
        self.dead_by_rule += other.dead_by_rule;
        self.fsck += other.fsck;
        self.promises.extend(other.promises);
    }

    /// Recovery stays below this.
    pub(crate) fn promise_recovery(&mut self, limit_ms: u64) {
        let worst = self.recovery_ms.last().copied().unwrap_or_default();
        let count = self.recovery_ms.len();
        let text = format!("recovery at most {limit_ms} ms: {worst} ms over {count}");
        self.promise_in_time(worst <= limit_ms && count > 0, text);
    }

    /// Whether everything held; promises about time count only if asked for.
    pub fn holds(&self, timed: bool) -> bool {
        let always = [self.lost, self.twice, self.accepted, self.stuck, self.failed];
        let promised = self.promises.iter().filter(|promise| timed || !promise.timed);
        always.iter().all(|count| *count == 0) && self.fsck == 0 && promised.into_iter().all(|promise| promise.kept)
    }
}

/// How a task ended, as Redis has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// `s` succeeded, `f` failed, `c` canceled.
    pub(crate) letter: char,
    pub(crate) attempt: u32,
    pub(crate) losses: u32,
    /// The beginning of the winner's lease token; empty if no worker ended it.
    pub(crate) token: String,
    /// In how many places it is kept: each commit puts it into one.
    pub(crate) kept: usize,
}

/// Every task that has ended, from the lists that results are pruned by and from the dead letters.
pub(crate) async fn all_ended(redis: &mut MultiplexedConnection) -> HashMap<String, Ended> {
    let mut kept: HashMap<String, usize> = HashMap::new();
    let lists: Vec<String> = redis
        .keys(format!("{PREFIX}done:*"))
        .await
        .expect("redis should answer");
    for list in lists {
        let mut start = 0;
        loop {
            let ids: Vec<String> = redis
                .lrange(&list, start, start + PIECE - 1)
                .await
                .expect("redis should answer");
            let last = ids.len() < usize::try_from(PIECE).expect("a small number");
            ids.into_iter().for_each(|id| *kept.entry(id).or_default() += 1);
            if last {
                break;
            }
            start += PIECE;
        }
    }
    let dead: Vec<String> = redis
        .zrange(format!("{PREFIX}dl"), 0, -1)
        .await
        .expect("redis should answer");
    dead.into_iter().for_each(|id| *kept.entry(id).or_default() += 1);
    read_ended(redis, &kept.into_iter().collect::<Vec<_>>()).await
}

/// How these tasks ended, each with the number of places where it is kept.
pub(crate) async fn read_ended(redis: &mut MultiplexedConnection, ids: &[(String, usize)]) -> HashMap<String, Ended> {
    let mut ended = HashMap::with_capacity(ids.len());
    for piece in ids.chunks(usize::try_from(PIECE).expect("a small number")) {
        let mut heads = redis::pipe();
        for (id, _) in piece {
            heads.hget(format!("{PREFIX}t:{}", span_of(id)), id);
        }
        let heads: Vec<Option<String>> = heads.query_async(redis).await.expect("redis should answer");
        for ((id, kept), head) in piece.iter().zip(heads) {
            if let Some(task) = head.and_then(|head| read_head(&head, *kept)) {
                ended.insert(id.clone(), task);
            }
        }
    }
    ended
}

/// Whose records are in one hash: ids that begin alike, but for the lower three bits of the eighth character.
fn span_of(id: &str) -> String {
    let digit = match id.as_bytes()[7] {
        b'0'..=b'7' => '0',
        b'8' | b'9' | b'a'..=b'f' => '8',
        b'g'..=b'q' => 'g',
        _ => 'r',
    };
    format!("{}{digit}", &id[..7])
}

/// `F|finished|state|reason|attempt|losses|started|worker|token|length`; nothing stands for the first attempt and no
/// losses.
fn read_head(head: &str, kept: usize) -> Option<Ended> {
    let fields: Vec<&str> = head.split('\n').next()?.split('|').collect();
    let ["F", _, letter, _, attempt, losses, _, _, token, _] = fields[..] else {
        return None;
    };
    Some(Ended {
        letter: letter.chars().next()?,
        attempt: attempt.parse().unwrap_or(1),
        losses: losses.parse().unwrap_or(0),
        token: token.to_owned(),
        kept,
    })
}

/// A worker process that was killed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kill {
    pub(crate) pid: u32,
    pub(crate) at_ms: u64,
}

/// Holds what always has to hold against what was seen.
pub(crate) async fn judge(
    queue: &Queue,
    acknowledged: &BTreeSet<String>,
    ended: &HashMap<String, Ended>,
    diary: &[Entry],
    kills: &[Kill],
) -> Verdict {
    let runs = Runs::of(diary);
    let failed = |id: &&String| ended.get(*id).is_some_and(|task| task.letter != 's');
    let (dead, failed): (Vec<&String>, Vec<&String>) = acknowledged
        .iter()
        .filter(failed)
        .partition(|id| kills.len() >= LOSSES && ended[*id].losses as usize >= LOSSES);
    let never_ran = |id: &&String| {
        ended
            .get(*id)
            .is_some_and(|task| task.letter == 's' && !runs.knows(id, &task.token))
    };
    let fsck = queue.fsck(FsckMode::Check).await.expect("redis should answer");
    let mut verdict = Verdict {
        tasks: acknowledged.len(),
        lost: acknowledged.iter().filter(|id| !ended.contains_key(*id)).count(),
        twice: ended.values().filter(|task| task.kept > 1).count(),
        refused: diary.iter().filter(|entry| entry.deed == Deed::Refused).count(),
        accepted: runs.stale_writes(diary) + acknowledged.iter().filter(never_ran).count(),
        reruns: runs.reruns(),
        recovery_ms: runs.recoveries(kills, ended),
        failed: failed.len(),
        dead_by_rule: dead.len(),
        fsck: fsck.found,
        ..Verdict::default()
    };
    if !fsck.is_clean() {
        verdict.promise(
            false,
            format!("fsck is clean: {:?}", &fsck.findings[..fsck.findings.len().min(3)]),
        );
    }
    verdict
}

/// From each kill to the next start of what it held, as the diary has it, milliseconds, ascending.
pub(crate) fn recoveries(diary: &[Entry], kills: &[Kill], ended: &HashMap<String, Ended>) -> Vec<u64> {
    Runs::of(diary).recoveries(kills, ended)
}

/// The attempts of each task in the order in which they began.
struct Runs<'a>(HashMap<&'a str, Vec<&'a Entry>>);

impl<'a> Runs<'a> {
    fn of(diary: &'a [Entry]) -> Self {
        let mut runs: HashMap<&str, Vec<&Entry>> = HashMap::new();
        for entry in diary.iter().filter(|entry| entry.deed == Deed::Ran) {
            runs.entry(&entry.id).or_default().push(entry);
        }
        Self(runs)
    }

    /// Whether an attempt with a token that begins like this has begun.
    fn knows(&self, id: &str, token: &str) -> bool {
        let runs = self.0.get(id).into_iter().flatten();
        runs.into_iter().any(|run| run.token.starts_with(token)) && token.len() == TOKEN_KEPT
    }

    fn reruns(&self) -> usize {
        self.0.values().map(|runs| runs.len() - 1).sum()
    }

    /// Writes that were accepted although a later attempt had begun.
    fn stale_writes(&self, diary: &[Entry]) -> usize {
        let stale = |write: &&Entry| {
            let runs = &self.0[write.id.as_str()];
            let own = runs.iter().position(|run| run.token == write.token);
            own.is_some_and(|own| runs[own + 1..].iter().any(|later| later.at_ms < write.at_ms))
        };
        diary
            .iter()
            .filter(|entry| entry.deed == Deed::Wrote)
            .filter(stale)
            .count()
    }

    /// From each kill to the next start of what it held and had not committed, where that was the only loss: a second
    /// one waits on purpose.
    fn recoveries(&self, kills: &[Kill], ended: &HashMap<String, Ended>) -> Vec<u64> {
        let died: HashMap<u32, u64> = kills.iter().map(|kill| (kill.pid, kill.at_ms)).collect();
        let mut recoveries = Vec::new();
        for (id, runs) in &self.0 {
            let Some(task) = ended.get(*id).filter(|task| task.losses == 1) else {
                continue;
            };
            let (first, next) = (runs[0], runs.get(1));
            let committed = first.token.starts_with(&task.token) && !task.token.is_empty();
            if let (Some(at_ms), Some(next), false) = (died.get(&first.pid), next, committed) {
                // What began before the kill was lost by something else.
                recoveries.extend(next.at_ms.checked_sub(*at_ms));
            }
        }
        recoveries.sort_unstable();
        recoveries
    }
}
