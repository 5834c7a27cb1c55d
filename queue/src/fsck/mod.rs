//! Whether what Redis holds obeys the layout, looked at while the queue works. `walk.rs` goes through the keys; what a
//! fault is, and what mends it, is decided by the scripts (`lua/fsck_*.lua`), each task at one moment.

mod tallies;
mod walk;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::client::Queue;
use crate::error::QueueError;

/// Findings that a report shows; all are counted.
pub const MAX_FINDINGS: usize = 1_000;

/// Whether faults are mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FsckMode {
    /// Look, write nothing.
    Check,
    /// Mend what can be mended.
    Fix,
}

/// What is wrong. Its name in JSON is also what the scripts call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// A task that has not ended is in no state index: nobody would ever run it.
    InNoIndex,
    /// A task that has not ended is in more than one state index.
    InSeveralIndexes,
    /// A task is leased, but no attempt holds it.
    LeaseWithoutAttempt,
    /// An attempt holds a task that is not leased.
    AttemptWithoutLease,
    /// A task is missing from its tenant's list.
    NotListed,
    /// A page of a tenant's list that the list does not name: its tasks are not shown.
    PageNotNamed,
    /// A tenant's list names a page that is not there.
    PageWithoutTasks,
    /// A task has an idempotency key that is not kept: a repeated request would make another task.
    TaskWithoutKey,
    /// A task that has ended is still in a state index.
    EndedInIndex,
    /// A task that has ended is still held by an attempt.
    AttemptOfEnded,
    /// A task that has ended is neither kept among the results nor the dead letters: it would never be pruned.
    NotKept,
    /// A task that has ended is twice among the results.
    KeptTwice,
    /// An index names a task of another kind, tenant or state.
    InWrongIndex,
    /// An index names a task that has no record.
    IndexWithoutRecord,
    /// A script found an index to name a task without a record and set the id aside.
    Parked,
    /// An attempt is left of a task that has no record.
    AttemptWithoutRecord,
    /// Output is left of a task that has no record.
    OutputWithoutRecord,
    /// A record that cannot be read.
    UnreadableRecord,
    /// A key that should hold the records of a span of time holds something else: no script can read or add tasks of it.
    UnreadableSpan,
    /// What a span holds beside the records of its tasks: something that is no task, or a task of another span, where nobody looks for it.
    NotOfSpan,
    /// A moment at which results may go, without results.
    MomentWithoutResults,
    /// Results whose moment is not known: they would never be pruned.
    ResultsWithoutMoment,
    /// An idempotency key of a task that is gone, without an end.
    KeyWithoutTask,
    /// A mailbox, reply, duty or counter that would never lapse.
    WithoutExpiry,
    /// Workers that are gone are registered as idle.
    StaleIdle,
    /// A kind has a queue but is not registered: neither the ticker nor a status sees it.
    KindNotRegistered,
    /// A queue of one fairness key, or of one owner, that gets no turn: nobody would ever claim from it.
    QueueWithoutTurn,
    /// A fairness key may not run now, and nothing would let it run again.
    AwayForEver,
    /// A task has a queue deadline at which nothing would end it.
    DeadlineNotKept,
    /// Queue deadlines are kept, but no timer is due at the first.
    DeadlineWithoutTimer,
    /// A unique task does not hold its key: another could be made beside it.
    UniqueKeyNotHeld,
    /// Two tasks of one unique key have not ended.
    NotUnique,
    /// A unique key is held by a task that is gone.
    UniqueKeyWithoutTask,
    /// A tenant is said to have other tasks in the queue than it has.
    Miscounted,
    /// A key that nothing in the layout accounts for.
    UnknownKey,
}

impl Fault {
    /// Whether `FsckMode::Fix` mends it.
    pub fn is_mendable(self) -> bool {
        !matches!(
            self,
            Self::UnreadableRecord
                | Self::UnreadableSpan
                | Self::NotOfSpan
                | Self::UnknownKey
                | Self::TaskWithoutKey
                | Self::NotUnique
        )
    }
}

impl fmt::Display for Fault {
    /// As in JSON: `in_no_index`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub fault: Fault,
    /// The task or the key, without the prefix that all keys share.
    pub subject: String,
    /// The index that led there; `None` if it was the record itself.
    pub index: Option<String>,
    /// Whether it was mended.
    pub mended: bool,
}

/// What a walk through everything found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct FsckReport {
    /// Records looked at.
    pub tasks: u64,
    /// Keys looked at.
    pub keys: u64,
    /// Faults found.
    pub found: u64,
    /// Faults mended.
    pub mended: u64,
    /// The first 1,000 of them.
    pub findings: Vec<Finding>,
}

impl FsckReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.found == 0
    }

    fn add(&mut self, finding: Finding) {
        self.found += 1;
        self.mended += u64::from(finding.mended);
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }
}

impl Queue {
    /// Goes through all that Redis holds of this queue, in pieces that hold Redis up for about half a millisecond each, while
    /// the queue works. Each task is judged at one moment, so that a task on the move is no fault; what is counted of a
    /// tenant only if none of its tasks came or ended meanwhile. Needs about 60 bytes of memory for each task.
    ///
    /// # Errors
    /// `Unavailable`; what was mended until then stays mended.
    pub async fn fsck(&self, mode: FsckMode) -> Result<FsckReport, QueueError> {
        walk::walk(&self.link, mode).await
    }
}
