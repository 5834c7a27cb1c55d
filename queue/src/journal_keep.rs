//! What keeps journals in order without an attempt: their records are exchanged, holds keep what is being read, and what a
//! loss of Redis' data took is brought back. Every change names what it expects to find, so that whoever was faster wins.

use crate::client::Queue;
use crate::error::QueueError;
use crate::journal::{MAX_JOURNAL_NOTE, journal_of};

impl Queue {
    /// Exchanges the records of a page, if it holds `before` and nothing else; empty `after` removes it. `weight` is that of
    /// the records in `after`. Answers whether it did. The page of another weight is the caller's to know.
    ///
    /// # Errors
    /// `Invalid` for a name that does not fit, `Unavailable`.
    pub async fn rewrite_journal_page(
        &self,
        (tenant, name): (&str, &str),
        page: u64,
        before: &[u8],
        after: &[u8],
        weight: u64,
    ) -> Result<bool, QueueError> {
        let args: [Vec<u8>; 6] = [
            b"rewrite".to_vec(),
            journal_of(tenant, name)?.into(),
            page.to_string().into(),
            before.to_vec(),
            after.to_vec(),
            weight.to_string().into(),
        ];
        let shard = self.link.shard_of(tenant);
        self.link.call(shard, &self.link.scripts.journal, &args).await
    }

    /// Makes a journal known again that is not, or only with an earlier epoch: the next claim's is higher than this one.
    /// Answers whether it was needed.
    ///
    /// # Errors
    /// `Invalid` for a name or a note that does not fit, `Unavailable`.
    pub async fn restore_journal(
        &self,
        (tenant, name): (&str, &str),
        epoch: u32,
        note: &str,
    ) -> Result<bool, QueueError> {
        if note.len() > MAX_JOURNAL_NOTE || note.contains('\n') {
            let detail = format!("is over {MAX_JOURNAL_NOTE} bytes or has lines");
            return Err(QueueError::invalid("note", detail));
        }
        let journal = journal_of(tenant, name)?;
        let args = ["restore", &journal, &epoch.to_string(), note];
        let shard = self.link.shard_of(tenant);
        self.link.call(shard, &self.link.scripts.journal, &args).await
    }

    /// Asks whoever trims a journal to leave this page and all later ones, for so many milliseconds. `holder` is any word;
    /// the same one and page again holds longer. Trimming does not obey by itself: see [`held_journal_page`](Self::held_journal_page).
    ///
    /// # Errors
    /// `Invalid` for a name that does not fit, `Unavailable`.
    pub async fn hold_journal(
        &self,
        (tenant, name): (&str, &str),
        holder: &str,
        page: u64,
        ttl_ms: u64,
    ) -> Result<(), QueueError> {
        let journal = journal_of(tenant, name)?;
        let args = ["hold", &journal, holder, &page.to_string(), &ttl_ms.to_string()];
        self.keep_journal(tenant, &args).await
    }

    /// Gives up what [`hold_journal`](Self::hold_journal) has asked for.
    ///
    /// # Errors
    /// `Invalid` for a name that does not fit, `Unavailable`.
    pub async fn release_journal(
        &self,
        (tenant, name): (&str, &str),
        holder: &str,
        page: u64,
    ) -> Result<(), QueueError> {
        let journal = journal_of(tenant, name)?;
        let args = ["release", &journal, holder, &page.to_string()];
        self.keep_journal(tenant, &args).await
    }

    /// The first page of a journal that somebody holds.
    ///
    /// # Errors
    /// `Invalid` for a name that does not fit, `Unavailable`.
    pub async fn held_journal_page(&self, tenant: &str, name: &str) -> Result<Option<u64>, QueueError> {
        let journal = journal_of(tenant, name)?;
        self.read_journal(tenant, "held", &journal, "").await
    }

    /// The weight of all pages of all journals of a tenant. Added up when it is asked for: a number that was kept beside them
    /// would be wrong after every repair.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn journals_weight(&self, tenant: &str) -> Result<u64, QueueError> {
        self.read_journal(tenant, "sum", &format!("{tenant}:"), "").await
    }

    async fn keep_journal(&self, tenant: &str, args: &[&str]) -> Result<(), QueueError> {
        let shard = self.link.shard_of(tenant);
        let _: u8 = self.link.call(shard, &self.link.scripts.journal, args).await?;
        Ok(())
    }
}
