//! Journals: records that a task leaves behind and that outlive it, such as the index of a recording. A journal has a
//! name within its tenant, pages with numbers, and on each page records of bytes in the order in which they were written.
//!
//! Only the attempt that claimed a journal last, and still holds its lease, can append: a worker that was given up
//! changes nothing. Every claim gives a new epoch, which rises; it belongs into the names of whatever the records point at.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::client::Queue;
use crate::connection::Link;
use crate::error::QueueError;
use crate::id::TaskId;
use crate::keys::Keys;
use crate::output::Appended;
use crate::worker::Attempt;

/// Longest name of a journal.
pub const MAX_JOURNAL_NAME: usize = 64;
/// Longest note, bytes.
pub const MAX_JOURNAL_NOTE: usize = 256;
/// Most bytes of one append.
const MAX_APPEND_BYTES: usize = 64 * 1024;

/// A journal that an attempt has claimed.
#[derive(Debug, Clone)]
pub struct Journal {
    link: Arc<Link>,
    id: TaskId,
    token: Arc<str>,
    journal: String,
    /// Higher than that of every claim before.
    pub epoch: u32,
    /// The task that claimed it before, if any did.
    pub before: Option<TaskId>,
}

/// What is known of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalHead {
    /// Whose it is.
    pub tenant: String,
    /// Its name.
    pub name: String,
    /// Of the last claim.
    pub epoch: u32,
    /// The task of the last claim; `None` where it was restored since.
    pub task: Option<TaskId>,
    /// What the last claim said of it.
    pub note: String,
}

impl Attempt {
    /// Claims a journal of the task's tenant, 1 to 64 of `a-z A-Z 0-9 _ -`, with a note for whoever looks after it.
    /// `None`: another worker has the task; stop.
    ///
    /// # Errors
    /// `Invalid` for a name or a note that does not fit, `Unavailable`.
    pub async fn claim_journal(&self, name: &str, note: &str) -> Result<Option<Journal>, QueueError> {
        if note.len() > MAX_JOURNAL_NOTE || note.contains('\n') {
            return Err(QueueError::invalid(
                "note",
                format!("is over {MAX_JOURNAL_NOTE} bytes or has lines"),
            ));
        }
        let link = self
            .link
            .clone()
            .expect("an attempt that a handler sees has been started");
        let journal = journal_of(&self.tenant, name)?;
        let id = self.id.to_string();
        let args = ["claim", &journal, &id, &self.lease_token, note];
        let claimed: Option<(u32, String)> = link.call(self.id.shard(), &link.scripts.journal, &args).await?;
        Ok(claimed.map(|(epoch, before)| Journal {
            link,
            id: self.id,
            token: Arc::clone(&self.lease_token),
            journal,
            epoch,
            before: before.parse().ok(),
        }))
    }
}

impl Journal {
    /// Appends records to a page; no two records may ever be alike. The weight adds to the page's sum.
    ///
    /// # Errors
    /// `Invalid` for nothing or more than 64 KiB, `Unavailable`: then repeat it.
    pub async fn append(&self, page: u64, records: &[u8], weight: u64) -> Result<Appended, QueueError> {
        if records.is_empty() || records.len() > MAX_APPEND_BYTES {
            return Err(QueueError::invalid(
                "records",
                format!("must be 1 to {MAX_APPEND_BYTES} bytes"),
            ));
        }
        let words = ["append", &self.journal, &self.id.to_string(), &self.token];
        let mut args: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        args.extend([self.epoch.to_string().into(), page.to_string().into(), records.to_vec()]);
        args.push(weight.to_string().into());
        let answer: String = self
            .link
            .call(self.id.shard(), &self.link.scripts.journal, &args)
            .await?;
        Ok(match answer.as_str() {
            "w" => Appended::Written,
            "d" => Appended::Duplicate,
            _ => Appended::LeaseLost,
        })
    }
}

impl Queue {
    /// Every journal of every tenant.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn journals(&self) -> Result<Vec<JournalHead>, QueueError> {
        let heads = self.link.read_hashes(Keys::journals).await?;
        Ok(heads.iter().filter_map(|(journal, line)| head(journal, line)).collect())
    }

    /// One journal; `None` if this tenant has none of that name.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn journal(&self, tenant: &str, name: &str) -> Result<Option<JournalHead>, QueueError> {
        let Ok(journal) = journal_of(tenant, name) else {
            return Ok(None);
        };
        let line: Option<String> = self.read_journal(tenant, "head", &journal, "").await?;
        Ok(line.and_then(|line| head(&journal, &line)))
    }

    /// The pages of a journal with the weight of each.
    ///
    /// # Errors
    /// `Invalid` for a name that does not fit, `Unavailable`.
    pub async fn journal_pages(&self, tenant: &str, name: &str) -> Result<BTreeMap<u64, u64>, QueueError> {
        let journal = journal_of(tenant, name)?;
        self.read_journal(tenant, "pages", &journal, "").await
    }

    /// The records of one page, in order; empty if there is no such page.
    ///
    /// # Errors
    /// `Invalid` for a name that does not fit, `Unavailable`.
    pub async fn journal_page(&self, tenant: &str, name: &str, page: u64) -> Result<Vec<u8>, QueueError> {
        let journal = journal_of(tenant, name)?;
        self.read_journal(tenant, "page", &journal, &page.to_string()).await
    }

    /// Takes the first `bytes` of a page away, with their weight, if it still begins with the record `first`. Answers
    /// whether it did.
    ///
    /// # Errors
    /// `Invalid` for a name that does not fit, `Unavailable`.
    pub async fn trim_journal(
        &self,
        (tenant, name): (&str, &str),
        page: u64,
        first: &[u8],
        bytes: usize,
        weight: u64,
    ) -> Result<bool, QueueError> {
        let journal = journal_of(tenant, name)?;
        let args: [Vec<u8>; 6] = [
            b"trim".to_vec(),
            journal.into(),
            page.to_string().into(),
            first.to_vec(),
            bytes.to_string().into(),
            weight.to_string().into(),
        ];
        let shard = self.link.shard_of(tenant);
        self.link.call(shard, &self.link.scripts.journal, &args).await
    }

    /// Forgets a journal that has no pages any more, unless the task that claimed it last is at work. Answers whether it is
    /// gone.
    ///
    /// # Errors
    /// `Invalid` for a name that does not fit, `Unavailable`.
    pub async fn forget_journal(&self, tenant: &str, name: &str) -> Result<bool, QueueError> {
        let args = ["forget".to_owned(), journal_of(tenant, name)?];
        let shard = self.link.shard_of(tenant);
        self.link.call(shard, &self.link.scripts.journal, &args).await
    }

    pub(crate) async fn read_journal<T: redis::FromRedisValue>(
        &self,
        tenant: &str,
        what: &str,
        journal: &str,
        page: &str,
    ) -> Result<T, QueueError> {
        let shard = self.link.shard_of(tenant);
        let args = [what, journal, page];
        self.link.call(shard, &self.link.scripts.journal_read, &args).await
    }
}

/// A journal as scripts name it. Neither part can hold a colon.
pub(crate) fn journal_of(tenant: &str, name: &str) -> Result<String, QueueError> {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"_-".contains(&c);
    if !(1..=MAX_JOURNAL_NAME).contains(&name.len()) || !name.bytes().all(plain) {
        return Err(QueueError::invalid(
            "journal",
            "must be 1 to 64 of a-z, A-Z, 0-9, _ and -",
        ));
    }
    Ok(format!("{tenant}:{name}"))
}

fn head(journal: &str, line: &str) -> Option<JournalHead> {
    let (tenant, name) = journal.split_once(':')?;
    let mut parts = line.splitn(3, '|');
    Some(JournalHead {
        tenant: tenant.to_owned(),
        name: name.to_owned(),
        epoch: parts.next()?.parse().ok()?,
        task: parts.next()?.parse().ok(),
        note: parts.next()?.to_owned(),
    })
}
