//! Redis Cluster: every shard's keys in one slot, followed wherever it goes.

use std::path::Path;

use redis::{RedisResult, Value};
use zoetrope_queue::{ConnectOptions, FsckMode, Queue};

use crate::load::{Load, note};
use crate::servers::{Server, connection, until};
use crate::stage::{config, echoes, worker_on};

const TOTAL: usize = 3_000;
/// Tenants of several shards.
const TENANTS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/// Primaries that share the slots, with as many replicas as asked for.
struct Cluster {
    servers: Vec<Server>,
    primaries: usize,
    _dir: tempfile::TempDir,
}

impl Cluster {
    async fn start(primaries: usize, replicas: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let servers: Vec<Server> = (0..primaries + replicas).map(|_| node(dir.path())).collect();
        for (number, server) in servers.iter().enumerate() {
            until(server.port, "PING", |_: &String| true).await;
            let epoch = format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1);
            ask::<()>(server.port, &epoch).await.unwrap();
        }
        for (number, server) in servers[..primaries].iter().enumerate() {
            let (first, end) = (number * 16_384 / primaries, (number + 1) * 16_384 / primaries);
            let range = format!("CLUSTER ADDSLOTSRANGE {first} {}", end - 1);
            ask::<()>(server.port, &range).await.unwrap();
            let meet = format!("CLUSTER MEET 127.0.0.1 {}", servers[0].port);
            ask::<()>(server.port, &meet).await.unwrap();
        }
        for (replica, primary) in servers[primaries..].iter().zip(&servers) {
            let meet = format!("CLUSTER MEET 127.0.0.1 {}", servers[0].port);
            ask::<()>(replica.port, &meet).await.unwrap();
            let id: String = ask(primary.port, "CLUSTER MYID").await.unwrap();
            until(replica.port, "CLUSTER NODES", |nodes: &String| nodes.contains(&id)).await;
            ask::<()>(replica.port, &format!("CLUSTER REPLICATE {id}"))
                .await
                .unwrap();
            until(replica.port, "INFO replication", |info: &String| {
                info.contains("master_link_status:up")
            })
            .await;
        }
        let all = primaries + replicas;
        for server in &servers {
            let complete = |info: &String| {
                info.contains("cluster_state:ok") && info.contains(&format!("cluster_known_nodes:{all}\r"))
            };
            until(server.port, "CLUSTER INFO", complete).await;
        }
        Self {
            servers,
            primaries,
            _dir: dir,
        }
    }

    async fn queue(&self) -> Queue {
        let places: Vec<String> = self
            .servers
            .iter()
            .map(|server| format!("127.0.0.1:{}", server.port))
            .collect();
        let url = format!("redis+cluster://{}", places.join(","));
        Queue::connect(ConnectOptions::new(url)).await.unwrap()
    }

    /// The primary that holds a slot.
    async fn owner(&self, slot: u16) -> usize {
        let ranges: Vec<(u16, u16, Vec<Value>)> = ask(self.servers[0].port, "CLUSTER SLOTS").await.unwrap();
        let held = ranges
            .into_iter()
            .find(|(first, last, _)| (*first..=*last).contains(&slot));
        let Some((_, _, mut place)) = held else {
            panic!("nobody holds slot {slot}")
        };
        let port: u16 = redis::from_redis_value(place.swap_remove(1)).unwrap();
        self.servers.iter().position(|server| server.port == port).unwrap()
    }

    /// Moves a slot with all its keys to the next primary, as `redis-cli --cluster reshard` does.
    async fn move_slot(&self, slot: u16) {
        let from = self.owner(slot).await;
        let to = (from + 1) % self.primaries;
        let (source, target) = (self.servers[from].port, self.servers[to].port);
        let source_id: String = ask(source, "CLUSTER MYID").await.unwrap();
        let target_id: String = ask(target, "CLUSTER MYID").await.unwrap();
        ask::<()>(target, &format!("CLUSTER SETSLOT {slot} IMPORTING {source_id}"))
            .await
            .unwrap();
        ask::<()>(source, &format!("CLUSTER SETSLOT {slot} MIGRATING {target_id}"))
            .await
            .unwrap();
        let mut moved = 0;
        loop {
            let keys: Vec<String> = ask(source, &format!("CLUSTER GETKEYSINSLOT {slot} 20")).await.unwrap();
            if keys.is_empty() {
                break;
            }
            moved += keys.len();
            migrate(source, target, &keys).await;
        }
        for port in [target, source] {
            ask::<()>(port, &format!("CLUSTER SETSLOT {slot} NODE {target_id}"))
                .await
                .unwrap();
        }
        assert!(moved > 0, "the slot should hold something");
    }
}

fn node(dir: &Path) -> Server {
    let settings = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
    Server::start(dir, &settings.map(str::to_owned))
}

async fn ask<T: redis::FromRedisValue>(port: u16, command: &str) -> RedisResult<T> {
    let words: Vec<&str> = command.split(' ').collect();
    let mut connection = connection(port).await?;
    redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await
}

async fn migrate(source: u16, target: u16, keys: &[String]) {
    let mut connection = connection(source).await.unwrap();
    let mut command = redis::cmd("MIGRATE");
    command
        .arg("127.0.0.1")
        .arg(target)
        .arg("")
        .arg(0)
        .arg(5_000)
        .arg("KEYS");
    let (): () = command.arg(keys).query_async(&mut connection).await.unwrap();
}

async fn slot_of(port: u16, tag: &str) -> u16 {
    ask(port, &format!("CLUSTER KEYSLOT {tag}")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_that_move_under_load_lose_nothing_and_nobody_sees_an_error() {
    let cluster = Cluster::start(3, 0).await;
    let queue = cluster.queue().await;
    let health = queue.health().await.unwrap();
    assert_eq!((health.form.as_str(), health.shards), ("cluster", 16));
    let others = cluster.queue().await;
    let workers = vec![
        worker_on(&queue, config("w1", &["echo"], 16), echoes()),
        worker_on(&others, config("w2", &["echo"], 16), echoes()),
    ];
    let mut load = Load::start(&queue, &TENANTS, 16, TOTAL);
    let mut quarter = TOTAL / 4;
    for shard in 0..16 {
        load.reaches(quarter).await;
        quarter = (quarter + TOTAL / 32).min(TOTAL);
        let slot = slot_of(cluster.servers[0].port, &format!("{{s{shard:02}}}")).await;
        cluster.move_slot(slot).await;
    }
    let seen = load.settle(workers).await;
    note(&format!("cluster, 16 slots moved: {seen:?}"));
    assert_eq!((seen.lost, seen.succeeded, seen.committed), (0, TOTAL, TOTAL as u64));
    // A machine that is busy enough makes any call too slow; redirections are nobody's business.
    let told: Vec<&String> = seen
        .errors
        .iter()
        .filter(|error| !error.contains("timed out"))
        .collect();
    assert!(told.is_empty(), "{told:?}");
    let report = queue.fsck(FsckMode::Check).await.unwrap();
    assert!(report.is_clean() && report.tasks == TOTAL as u64, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_primary_that_is_killed_under_load_loses_nothing() {
    let mut cluster = Cluster::start(3, 3).await;
    let queue = cluster.queue().await;
    let worker = worker_on(&queue, config("w1", &["echo"], 16), echoes());
    let mut load = Load::start(&queue, &TENANTS, 16, TOTAL);
    load.reaches(TOTAL / 4).await;
    cluster.servers[1].kill();
    let seen = load.settle(vec![worker]).await;
    note(&format!("cluster, a primary killed, node timeout 2000 ms: {seen:?}"));
    assert_eq!((seen.lost, seen.succeeded, seen.committed), (0, TOTAL, TOTAL as u64));
}
