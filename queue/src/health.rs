//! The condition of Redis: what people and probes ask about it, and the durability tier that it gives.

use serde::Serialize;
use tokio::time::Instant;

use crate::client::Queue;
use crate::durability::{self, Info};
use crate::error::QueueError;

/// Redis' own condition. Of several servers each figure is that of the worst, and memory and replicas are sums.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RedisHealth {
    /// How it is reached: `tcp`, `tcp with tls`, `unix socket`, `sentinel`, `cluster`, ...
    pub form: String,
    /// Server version.
    pub version: String,
    /// Shards of the queue.
    pub shards: u16,
    /// The tier in force: `fast` (AOF everysec: about 2 s lost on power loss), `safe` (AOF always), `strict` (submits wait
    /// for a replica), `none` (no AOF), `unknown`.
    pub durability: String,
    /// Must be `noeviction`.
    pub maxmemory_policy: String,
    /// Bytes in use.
    pub used_memory_bytes: u64,
    /// Bytes allowed; 0 without a limit.
    pub maxmemory_bytes: u64,
    /// Whether the last write of the append-only file succeeded; true without one.
    pub aof_write_ok: bool,
    /// Connected replicas.
    pub replicas: u64,
    /// Time of one round trip, milliseconds.
    pub latency_ms: f64,
    /// Sentences for people, empty when all is well.
    pub warnings: Vec<String>,
}

impl Queue {
    /// Redis' condition, with one round trip timed.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn health(&self) -> Result<RedisHealth, QueueError> {
        let before = Instant::now();
        let (): () = redis::cmd("PING").query_async(&mut self.link.connection()).await?;
        let latency_ms = before.elapsed().as_secs_f64() * 1e3;
        let servers = self.link.infos().await?;
        let fsync = self.link.server_settings("appendfsync").await;
        let mut health = combined(&servers);
        health.form = self.link.form.to_owned();
        health.shards = self.link.shards().end;
        health.durability = durability::tier(self.link.demanded, &servers, &fsync).to_owned();
        health.latency_ms = latency_ms;
        health.warnings = warnings(&health, &servers);
        let demanded = self.link.demanded;
        if let Some(Err(lacking)) = demanded.map(|tier| durability::check(tier, &servers, &fsync)) {
            health.warnings.push(lacking.to_string());
        }
        Ok(health)
    }
}

fn combined(servers: &[Info]) -> RedisHealth {
    let texts = |name: &str| -> Vec<&str> {
        let values = servers.iter().filter_map(|info| info.get(name));
        values.map(String::as_str).collect()
    };
    let sum = |name: &str| texts(name).iter().filter_map(|text| text.parse::<u64>().ok()).sum();
    let evicting = texts("maxmemory_policy")
        .into_iter()
        .find(|policy| *policy != "noeviction");
    RedisHealth {
        form: String::new(),
        version: texts("redis_version").into_iter().min().unwrap_or_default().to_owned(),
        shards: 0,
        durability: String::new(),
        maxmemory_policy: evicting.unwrap_or("noeviction").to_owned(),
        used_memory_bytes: sum("used_memory"),
        maxmemory_bytes: sum("maxmemory"),
        aof_write_ok: texts("aof_last_write_status").iter().all(|status| *status == "ok"),
        replicas: sum("connected_slaves"),
        latency_ms: 0.0,
        warnings: Vec::new(),
    }
}

fn warnings(health: &RedisHealth, servers: &[Info]) -> Vec<String> {
    let mut warnings = Vec::new();
    if health.maxmemory_policy != "noeviction" {
        warnings.push(format!(
            "maxmemory-policy is {}: it deletes tasks silently",
            health.maxmemory_policy
        ));
    }
    if health.durability == "none" {
        warnings.push("no append-only file: a restart of redis loses every task".to_owned());
    }
    if !health.aof_write_ok {
        let statuses = servers.iter().filter_map(|info| info.get("aof_last_write_status"));
        let failed = statuses.filter(|status| *status != "ok").map(String::as_str);
        let failed = failed.collect::<Vec<_>>().join(", ");
        warnings.push(format!("the last write of the append-only file failed: {failed}"));
    }
    if health.maxmemory_bytes > 0 && health.used_memory_bytes * 10 > health.maxmemory_bytes * 8 {
        warnings.push("over 80 % of maxmemory is in use".to_owned());
    }
    warnings
}
