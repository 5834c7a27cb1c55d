//! What the queue promises, against a real Redis. One file per behaviour; the harness is in `stage.rs`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![expect(clippy::disallowed_methods, reason = "tests await the tasks that they spawn")]

mod backlog;
mod cluster;
mod cluster_servers;
mod deadlines;
mod drain;
mod ends;
mod fairness;
mod faults;
mod following;
mod forms;
mod fsck;
mod fsck_records;
mod journal;
mod journal_keep;
mod lifecycle;
mod limits;
mod load;
mod output;
#[allow(unreachable_pub, reason = "e2e hands it on")]
mod ports;
#[allow(dead_code, reason = "the chaos cases of e2e use all of it")]
mod proxy;
mod prune;
mod recovery;
mod redis_server;
mod rules;
mod scripts;
mod sentinel;
mod servers;
mod shards;
mod spread;
mod stage;
mod startup;
mod status;
mod submitting;
mod unique;
mod wakeups;
