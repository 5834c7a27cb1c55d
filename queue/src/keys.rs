//! Every Redis key that Rust spells. The scripts compute the others from the same prefix; ARCHITECTURE.md
//! has the same table, the reasons are in `docs/src/design/queue.md`.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `z:meta`, without a shard | HASH | how many shards the queue has |
//! | `gate` | none | never there: what it is missing for tells that the shard's slot moves |
//! | `meta` | HASH | highest clock reading, the server's where it is behind that, key schema version, whether any rule or bound is in force |
//! | `t:<span>` | HASH | records of the tasks whose ids were made in the same 256 ms, by id: header line, body; once ended also the outcome |
//! | `a` | HASH | of a task, while running or retried: token, limits it counts for, attempt, losses, start, lease, worker, cancel flag, progress |
//! | `q:<kind>` `solo:<kind>` | ZSET | queued, by enqueue time + class offset; `solo` holds those to be claimed alone |
//! | `own` | HASH | kind -> the one tenant and key whose tasks stand in `q:<kind>` |
//! | `f:<flow>:<tenant>:<key>` | ZSET | queued tasks of a key once a kind has several; a flow is a kind, or a kind and `!` for realtime |
//! | `fl:<flow>` `fl:<flow>:<tenant>` | ZSET | tenants, and keys of a tenant, by tasks given; 2^50 behind: may not run now |
//! | `fm:<flow>` | ZSET | what tenants were given that left, until the turns are past it; under the empty name, where these are |
//! | `rules` | HASH | limits and pauses by subject |
//! | `c:<name>` `r:<name>` | ZSET, STRING | running tasks that count for a limit of a kind or a key; state of its rate |
//! | `b:<name>` | ZSET | flows in which a key, or a tenant, may not run now |
//! | `lease` | ZSET | running, by lease deadline |
//! | `tm` | ZSET | scheduled, by due time; subjects of rules, by when their rate allows for something again; `exp/`, by the first of `exp` |
//! | `exp` | ZSET | queue deadlines of tasks, until they are due or the task is pruned |
//! | `done:<ms>` `done` | LIST, ZSET | ended tasks that may go at that moment; these moments |
//! | `dl` | ZSET | dead letters, by the time they are pruned |
//! | `park` | ZSET | ids found without a record, for fsck |
//! | `ix:<tenant>` `ix:<tenant>:<ms>` | ZSET, LIST | pages of a tenant's list, by when they were begun, the last perhaps empty; the tasks of one, as they came |
//! | `idem:<tenant>:<hash>` | STRING | task id and request fingerprint |
//! | `u:<tenant>:<hash>` | STRING | the task that holds a unique key of a kind, as long as it has not ended |
//! | `n:<tenant>` | STRING | its tasks that have not ended, the bytes of their records, when that last changed |
//! | `bounds` | HASH | how many tasks and bytes a tenant, or `*` each, may have in the queue, where it is not the usual number |
//! | `w:<worker>` `idle:<kind>` | LIST, ZSET | a worker's mailbox; workers idle for a kind, by how little they hold of what is to be spread, then by time |
//! | `rp:<worker>:<0 or 1>` | STRING | the answers to the last steps of even and odd seq |
//! | `workers` `kinds` | HASH | registries |
//! | `tick` `hold` | STRING | the ticker's duty, the duty to run a solo task |
//! | `ev` `watched` | STREAM, STRING | state-change hints; set while somebody waits for them |
//! | `rt:<slot>` | HASH | events counted per 10 s |
//! | `jn` | HASH | journals by `<tenant>:<name>`: epoch, the task that claimed it last, its note |
//! | `jp:<tenant>:<name>` `j:<tenant>:<name>:<page>` | HASH, STRING | pages of a journal with their weights; the records of one |
//! | `jh:<tenant>:<name>` | ZSET | who holds pages of a journal, as `<page>:<name>` by when that lapses |

use sha2::{Digest, Sha256};

use crate::error::QueueError;

/// Version of the layout above. A process refuses a Redis that holds another one.
pub(crate) const SCHEMA_VERSION: u32 = 6;
/// Most shards of a queue: two digits of a key.
pub(crate) const MAX_SHARDS: u16 = 64;
/// The first shard. What spans tenants is there.
pub(crate) const SHARD: u16 = 0;

/// Where a queue's number of shards is kept.
pub(crate) fn shape(namespace: &str) -> String {
    format!("{namespace}:meta")
}

/// The shard of a tenant, of so many. Never another: ids and keys are built on it.
pub(crate) fn shard_of(tenant: &str, shards: u16) -> u16 {
    if shards == 1 {
        return SHARD;
    }
    let hash = Sha256::digest(tenant);
    let number = u64::from_be_bytes(hash[..8].try_into().expect("a digest has 32 bytes"));
    u16::try_from(number % u64::from(shards)).expect("a remainder is smaller")
}

/// The keys of one shard.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    /// `namespace` is `[a-z0-9_-]{1,32}`.
    pub(crate) fn new(namespace: &str, shard: u16) -> Result<Self, QueueError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
        if namespace.is_empty() || namespace.len() > 32 || !namespace.chars().all(plain) {
            return Err(QueueError::invalid("namespace", "must be 1 to 32 of a-z, 0-9, _ and -"));
        }
        Ok(Self {
            prefix: format!("{namespace}:{{s{shard:02}}}:"),
        })
    }

    /// What every key of the shard begins with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn meta(&self) -> String {
        format!("{}meta", self.prefix)
    }

    pub(crate) fn gate(&self) -> String {
        format!("{}gate", self.prefix)
    }

    pub(crate) fn rules(&self) -> String {
        format!("{}rules", self.prefix)
    }

    pub(crate) fn bounds(&self) -> String {
        format!("{}bounds", self.prefix)
    }

    pub(crate) fn journals(&self) -> String {
        format!("{}jn", self.prefix)
    }

    pub(crate) fn tally(&self, tenant: &str) -> String {
        format!("{}n:{tenant}", self.prefix)
    }

    pub(crate) fn events(&self) -> String {
        format!("{}ev", self.prefix)
    }

    pub(crate) fn mailbox(&self, worker: &str) -> String {
        format!("{}w:{worker}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::shard_of;

    #[test]
    fn a_tenant_stays_in_its_shard_for_ever_and_tenants_are_spread() {
        let tenants = ["acme", "default", "t1", "t2"];
        assert_eq!(tenants.map(|tenant| shard_of(tenant, 1)), [0; 4]);
        assert_eq!(tenants.map(|tenant| shard_of(tenant, 16)), [0, 13, 10, 0]);
        let mut counts = [0; 16];
        for number in 0..1_600 {
            counts[usize::from(shard_of(&format!("tenant-{number}"), 16))] += 1;
        }
        assert!(counts.iter().all(|count| (50..200).contains(count)), "{counts:?}");
    }
}
