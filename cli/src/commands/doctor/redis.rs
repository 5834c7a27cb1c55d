//! The Redis that is used: its version, its policy, what it keeps when the power goes.

use zoetrope_queue::{Queue, RedisHealth};

use super::{Finding, failure, ok, warning};
use crate::configuration::Configuration;
use crate::up::redis;

/// Share of Redis' memory limit from which on it is a warning.
const MEMORY_WARNING: f64 = 0.8;

pub(super) async fn checks(configuration: &Configuration) -> Vec<Finding> {
    const NAME: &str = "redis";
    let Some(options) = configuration.redis() else {
        return vec![match redis::find_program().await {
            Ok(program) => ok(
                NAME,
                format!(
                    "REDIS_URL is not set; `zoetrope up` will start {} {}",
                    program.name, program.version
                ),
            ),
            Err(error) => failure(NAME, error.message),
        }];
    };
    let health = async { Queue::connect(options).await?.health().await };
    match health.await {
        Ok(health) => redis_findings(&health),
        Err(error) => vec![failure(NAME, error.to_string())],
    }
}

fn redis_findings(health: &RedisHealth) -> Vec<Finding> {
    let mut findings = vec![
        ok(
            "redis",
            format!(
                "{}, version {}, {}, answers in {:.1} ms",
                health.form,
                health.version,
                shards(health.shards),
                health.latency_ms
            ),
        ),
        if health.maxmemory_policy == "noeviction" {
            ok("redis policy", "noeviction")
        } else {
            failure(
                "redis policy",
                format!(
                    "maxmemory-policy {} may evict tasks; set noeviction",
                    health.maxmemory_policy
                ),
            )
        },
        durability(&health.durability),
    ];
    let share = health.used_memory_bytes as f64 / health.maxmemory_bytes.max(1) as f64;
    if health.maxmemory_bytes > 0 && share > MEMORY_WARNING {
        findings.push(warning(
            "redis memory",
            format!("{:.0} % of maxmemory is used", share * 100.0),
        ));
    }
    findings.extend(health.warnings.iter().map(|text| warning("redis", text.as_str())));
    findings
}

fn shards(count: u16) -> String {
    if count == 1 {
        "1 shard".to_owned()
    } else {
        format!("{count} shards")
    }
}

fn durability(tier: &str) -> Finding {
    const NAME: &str = "redis durability";
    match tier {
        "fast" => ok(NAME, "fast: AOF everysec, up to 2 s of submits are lost with the power"),
        "safe" => ok(NAME, "safe: AOF always, what is acknowledged is on the disk"),
        "strict" => ok(NAME, "strict: submits wait until a replica has them"),
        "none" => warning(
            NAME,
            "none: without AOF every task is lost when Redis ends; set appendonly yes",
        ),
        other => warning(NAME, format!("{other}: Redis does not tell")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    fn health() -> RedisHealth {
        RedisHealth {
            form: "tcp".to_owned(),
            shards: 1,
            version: "7.0.15".to_owned(),
            durability: "fast".to_owned(),
            maxmemory_policy: "noeviction".to_owned(),
            used_memory_bytes: 90,
            maxmemory_bytes: 100,
            aof_write_ok: true,
            replicas: 0,
            latency_ms: 0.2,
            warnings: vec![],
        }
    }

    #[test]
    fn an_evicting_redis_is_a_failure_and_a_full_one_a_warning() {
        let found = |health: &RedisHealth| {
            redis_findings(health)
                .iter()
                .map(|finding| finding.status)
                .collect::<Vec<_>>()
        };
        assert_eq!(found(&health()), [Status::Ok, Status::Ok, Status::Ok, Status::Warning]);
        let evicting = RedisHealth {
            maxmemory_policy: "allkeys-lru".to_owned(),
            maxmemory_bytes: 0,
            ..health()
        };
        assert_eq!(found(&evicting), [Status::Ok, Status::Failed, Status::Ok]);
    }

    #[test]
    fn a_redis_without_a_log_is_a_warning() {
        assert_eq!(
            (durability("none").status, durability("safe").status),
            (Status::Warning, Status::Ok)
        );
    }
}
