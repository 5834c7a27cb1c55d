//! Where stream records and reports are kept. Every change is one script over keys of one tenant, which are in one slot.

use std::sync::LazyLock;

use redis::Script;
use zoetrope_queue::QueueError;

use super::id::StreamId;
use super::record::StreamRecord;
use super::report::StreamReport;
use crate::keys::{self, IDEMPOTENCY_TTL};
use crate::redis_link::{RedisLink, millis};
use crate::tenant::Tenant;

static CREATE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("create.lua")));
static REPLACE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("replace.lua")));
static REMOVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("remove.lua")));
static LIST: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("list.lua")));
static BEGIN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("begin.lua")));
static REPORT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("report.lua")));
static WANT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("want.lua")));

/// Stream records. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct StreamStore(RedisLink);

/// What became of a new record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It is there.
    Made,
    /// The tenant has as many as it may.
    Full,
    /// An earlier request with the same key left this.
    Known(String),
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// It was made.
    Yes,
    /// Somebody else has changed the record since it was read: read it again.
    Changed,
    /// There is no such record any more.
    Gone,
}

/// A record as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Its id.
    pub id: StreamId,
    /// Counts the changes.
    pub revision: u64,
    /// The record.
    pub record: StreamRecord,
    /// What its workers said last, of whichever run.
    pub report: Option<StreamReport>,
}

/// In which order records are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The order.
    pub order: Order,
    /// The last record of the page before.
    pub after: Option<StreamId>,
}

/// A worker's leave to report of one run: another worker that takes the run over ends it.
#[derive(Debug, Clone)]
pub struct Reporting {
    store: StreamStore,
    tenant: Tenant,
    id: StreamId,
    run: u64,
    epoch: u64,
}

impl StreamStore {
    /// In this Redis.
    pub fn new(redis: RedisLink) -> Self {
        Self(redis)
    }

    /// Adds a record, unless the tenant has `most` already. `memory` is where an earlier request with the same
    /// idempotency key is remembered, and what is to be remembered of this one.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn create(
        &self,
        tenant: &Tenant,
        id: StreamId,
        record: &StreamRecord,
        most: u64,
        memory: Option<(&str, &str)>,
    ) -> Result<Created, QueueError> {
        let (name, index) = (keys::stream(tenant, &id.to_string()), keys::streams(tenant));
        let (memory_key, memory) = memory.unwrap_or((&name, ""));
        let mut call = CREATE.prepare_invoke();
        call.key(&name).key(index).key(memory_key);
        call.arg(id.to_string()).arg(text(record)?).arg(most);
        call.arg(memory).arg(millis(IDEMPOTENCY_TTL));
        let (made, known): (String, String) = call.invoke_async(&mut self.0.get().await?).await?;
        Ok(match made.as_str() {
            "made" => Created::Made,
            "full" => Created::Full,
            _ => Created::Known(known),
        })
    }

    /// Reads a record; `None` if this tenant has no such stream.
    ///
    /// # Errors
    /// When Redis is away, or holds what this version cannot read.
    pub async fn get(&self, tenant: &Tenant, id: StreamId) -> Result<Option<Listed>, QueueError> {
        let mut found = self.read(tenant, &[&id.to_string()]).await?;
        Ok(found.pop())
    }

    /// At most `count` records from a position on, in order, with the position of the last one. Fewer than `count`: these were the last.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn page(&self, tenant: &Tenant, from: Position, count: usize) -> Result<Vec<Listed>, QueueError> {
        let after = from.after.map(|id| format!("({id}")).unwrap_or_default();
        let order = match from.order {
            Order::Newest => "newest",
            Order::Oldest => "oldest",
        };
        self.read(tenant, &[order, &after, &count.to_string()]).await
    }

    async fn read(&self, tenant: &Tenant, asked: &[&str]) -> Result<Vec<Listed>, QueueError> {
        let mut call = LIST.prepare_invoke();
        call.key(keys::streams(tenant)).arg(keys::stream(tenant, ""));
        for word in asked {
            call.arg(*word);
        }
        let found: Vec<(String, u64, String, String)> = call.invoke_async(&mut self.0.get().await?).await?;
        let listed = found.into_iter().map(|(id, revision, record, report)| {
            Ok(Listed {
                id: StreamId::parse(&id).map_err(|_| corrupt(&id, &"its id is none"))?,
                revision,
                record: serde_json::from_str(&record).map_err(|error| corrupt(&id, &error))?,
                // One of another version is as good as none: the next comes within a second.
                report: serde_json::from_str(&report).ok(),
            })
        });
        listed.collect()
    }

    /// Replaces a record that is still at the revision at which it was read.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn replace(&self, tenant: &Tenant, read: &Listed, by: &StreamRecord) -> Result<Replaced, QueueError> {
        let mut call = REPLACE.prepare_invoke();
        call.key(keys::stream(tenant, &read.id.to_string()));
        let run = by.current_run().map(|run| run.to_string()).unwrap_or_default();
        call.arg(read.revision).arg(text(by)?).arg(run);
        let answer: i64 = call.invoke_async(&mut self.0.get().await?).await?;
        Ok(match answer {
            1 => Replaced::Yes,
            0 => Replaced::Changed,
            _ => Replaced::Gone,
        })
    }

    /// Removes a record with everything said of it; false if it was not there.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn remove(&self, tenant: &Tenant, id: StreamId) -> Result<bool, QueueError> {
        let id = id.to_string();
        let mut call = REMOVE.prepare_invoke();
        call.key(keys::stream(tenant, &id))
            .key(keys::stream_report(tenant, &id));
        call.key(keys::streams(tenant)).arg(&id);
        Ok(call.invoke_async(&mut self.0.get().await?).await?)
    }

    /// Asks the worker that watches a stream for a picture. The answer is the request's number, or `None` without such a
    /// stream: a report whose `answered` is as high has its picture, if there is any.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn want_snapshot(&self, tenant: &Tenant, id: StreamId) -> Result<Option<u64>, QueueError> {
        let id = id.to_string();
        let mut call = WANT.prepare_invoke();
        call.key(keys::stream(tenant, &id))
            .key(keys::stream_report(tenant, &id));
        let wanted: i64 = call.invoke_async(&mut self.0.get().await?).await?;
        Ok(u64::try_from(wanted).ok())
    }

    /// Leave to report of a run, which ends that of every worker before. `None`: the run is over.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn begin(&self, tenant: &Tenant, id: StreamId, run: u64) -> Result<Option<Reporting>, QueueError> {
        let name = id.to_string();
        let mut call = BEGIN.prepare_invoke();
        call.key(keys::stream(tenant, &name))
            .key(keys::stream_report(tenant, &name));
        call.arg(run);
        let epoch: i64 = call.invoke_async(&mut self.0.get().await?).await?;
        Ok(u64::try_from(epoch).ok().map(|epoch| Reporting {
            store: self.clone(),
            tenant: tenant.clone(),
            id,
            run,
            epoch,
        }))
    }
}

impl Reporting {
    /// Says how the stream is. The answer is the newest request for a picture, 0 without one, or `None`: the stream was
    /// stopped or deleted, or another worker has it.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn report(&self, report: &StreamReport) -> Result<Option<u64>, QueueError> {
        let name = self.id.to_string();
        let mut call = REPORT.prepare_invoke();
        call.key(keys::stream(&self.tenant, &name))
            .key(keys::stream_report(&self.tenant, &name));
        call.arg(self.run).arg(self.epoch).arg(text(report)?);
        let wanted: i64 = call.invoke_async(&mut self.store.0.get().await?).await?;
        Ok(u64::try_from(wanted).ok())
    }
}

fn text(value: &impl serde::Serialize) -> Result<String, QueueError> {
    serde_json::to_string(value).map_err(|error| QueueError::Other(error.to_string()))
}

fn corrupt(id: &str, error: &dyn std::fmt::Display) -> QueueError {
    QueueError::Other(format!("the record of stream {id} cannot be read: {error}"))
}
