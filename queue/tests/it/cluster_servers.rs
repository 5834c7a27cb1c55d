//! Redis Cluster on free ports: primaries that share the slots, and slots that move between them.
//! Also compiled into the chaos cases of `e2e`.

use std::path::Path;

use redis::{RedisResult, Value};

use crate::servers::{Server, connection, until};

/// Milliseconds without an answer after which the others take a node for dead.
pub(crate) const NODE_TIMEOUT_MS: u64 = 2_000;

/// Primaries that share the slots, with as many replicas as asked for.
pub(crate) struct Cluster {
    pub(crate) servers: Vec<Server>,
    primaries: usize,
    _dir: tempfile::TempDir,
}

impl Cluster {
    pub(crate) async fn start(primaries: usize, replicas: usize) -> Self {
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

    pub(crate) fn url(&self) -> String {
        let places: Vec<String> = self
            .servers
            .iter()
            .map(|server| format!("127.0.0.1:{}", server.port))
            .collect();
        format!("redis+cluster://{}", places.join(","))
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

    /// Moves a shard's slot with all its keys to the next primary, as `redis-cli --cluster reshard` does.
    pub(crate) async fn move_shard(&self, shard: u16) {
        let slot = slot_of(self.servers[0].port, &format!("{{s{shard:02}}}")).await;
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
    let timeout = NODE_TIMEOUT_MS.to_string();
    let settings = ["--cluster-enabled", "yes", "--cluster-node-timeout", &timeout];
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
