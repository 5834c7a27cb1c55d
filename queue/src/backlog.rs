//! How much of the queue a tenant may take: tasks that have not ended, and the bytes of their records. What it has is
//! counted by the scripts that add and end tasks (`lua/tally.lua`).

use std::collections::BTreeMap;

use crate::client::Queue;
use crate::error::QueueError;
use crate::keys::Keys;
use crate::limits::check_tenant;
use crate::record::digits;

/// Tasks that a tenant may have in the queue, unless another number is set.
pub const USUAL_BACKLOG_TASKS: u64 = 1_000_000;
/// Bytes of their records, unless another number is set: 4 GiB.
pub const USUAL_BACKLOG_BYTES: u64 = 4 << 30;
/// Largest number that can be set.
pub const MAX_BACKLOG: u64 = 1 << 50;

/// How much a tenant may have, where it is not as much as is usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bound {
    /// Tasks that have not ended; 0 refuses every new one.
    pub tasks: Option<u64>,
    /// Bytes of their records: what was submitted, with about 60 bytes more for each.
    pub bytes: Option<u64>,
}

/// What a tenant has in the queue, and what it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Tasks that have not ended.
    pub tasks: u64,
    /// Bytes of their records.
    pub bytes: u64,
    /// Tasks that it may have.
    pub most_tasks: u64,
    /// Bytes that it may have.
    pub most_bytes: u64,
}

impl Bound {
    fn parse(text: &str) -> Self {
        let (tasks, bytes) = text.split_once('|').unwrap_or_default();
        Self {
            tasks: tasks.parse().ok(),
            bytes: bytes.parse().ok(),
        }
    }
}

/// `*` in `bounds`: each tenant without a bound of its own.
fn field(tenant: Option<&str>) -> Result<&str, QueueError> {
    let Some(tenant) = tenant else {
        return Ok("*");
    };
    check_tenant(tenant)?;
    Ok(tenant)
}

impl Queue {
    /// Sets how much a tenant, or each that has no bound of its own, may have in the queue; `None` for as much as is
    /// usual. Holds from the next submit on: what is there already stays.
    ///
    /// # Errors
    /// `Invalid` for a name or a number out of range; `Unavailable`.
    pub async fn set_bound(&self, tenant: Option<&str>, bound: Bound) -> Result<(), QueueError> {
        let field = field(tenant)?;
        if bound.tasks.is_some_and(|tasks| tasks > MAX_BACKLOG) || bound.bytes.is_some_and(|bytes| bytes > MAX_BACKLOG)
        {
            return Err(QueueError::invalid("bound", format!("must be at most {MAX_BACKLOG}")));
        }
        let args = [field.to_owned(), digits(bound.tasks), digits(bound.bytes)];
        for shard in self.link.shards_of(tenant) {
            let _: u32 = self.link.call(shard, &self.link.scripts.set_bound, &args).await?;
        }
        Ok(())
    }

    /// The bounds that were set: by tenant, and under `None` that of each without one of its own.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn bounds(&self) -> Result<BTreeMap<Option<String>, Bound>, QueueError> {
        let fields = self.link.read_hashes(Keys::bounds).await?;
        let bound = |(name, text): (String, String)| (Some(name).filter(|name| name != "*"), Bound::parse(&text));
        Ok(fields.into_iter().map(bound).collect())
    }

    /// What a tenant has in the queue, and what it may have.
    ///
    /// # Errors
    /// `Invalid` for what is no name of a tenant; `Unavailable`.
    pub async fn backlog(&self, tenant: &str) -> Result<Backlog, QueueError> {
        let field = field(Some(tenant))?;
        let keys = self.link.keys(self.link.shard_of(tenant));
        let mut counted = redis::cmd("GET");
        counted.arg(keys.tally(tenant));
        let counted: Option<String> = counted.query_async(&mut self.link.connection()).await?;
        let mut asked = redis::cmd("HMGET");
        asked.arg(keys.bounds()).arg(field).arg("*");
        let texts: (Option<String>, Option<String>) = asked.query_async(&mut self.link.connection()).await?;
        let own = Bound::parse(&texts.0.unwrap_or_default());
        let each = Bound::parse(&texts.1.unwrap_or_default());
        let has: Vec<u64> = counted
            .iter()
            .flat_map(|text| text.split('|'))
            .filter_map(|number| number.parse().ok())
            .collect();
        Ok(Backlog {
            tasks: has.first().copied().unwrap_or_default(),
            bytes: has.get(1).copied().unwrap_or_default(),
            most_tasks: own.tasks.or(each.tasks).unwrap_or(USUAL_BACKLOG_TASKS),
            most_bytes: own.bytes.or(each.bytes).unwrap_or(USUAL_BACKLOG_BYTES),
        })
    }
}
