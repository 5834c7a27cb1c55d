//! The condition of what the queue stands on, as metrics: workers by kind, and Redis. What this process does itself is
//! counted in `metrics`.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{GaugeVec, Opts, Registry};
use zoetrope_queue::{QueueStatus, RedisHealth, WorkerStatus};
use zoetrope_shared::tasks::KINDS;

/// A worker that was silent for this long is not counted on.
const SILENT: Duration = Duration::from_secs(30);
/// A gauge without labels that is absent while nothing is known.
const NO_LABELS: &[&str] = &[];

/// The gauges; all absent until something is observed.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    workers: GaugeVec,
    used_memory: GaugeVec,
    max_memory: GaugeVec,
    aof_enabled: GaugeVec,
    aof_write_ok: GaugeVec,
    replicas: GaugeVec,
    latency: GaugeVec,
}

impl Condition {
    /// Nothing known yet; the gauges are registered.
    pub(crate) fn new(registry: &Registry) -> Self {
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            let gauges = GaugeVec::new(Opts::new(name, help), labels).expect("the name should be valid");
            let collector: Box<dyn Collector> = Box::new(gauges.clone());
            registry
                .register(collector)
                .expect("every metric should be registered once");
            gauges
        };
        Self {
            workers: gauges("zoetrope_queue_workers", "Live workers that run the kind", &["kind"]),
            used_memory: gauges("zoetrope_redis_used_memory_bytes", "Memory that Redis uses", NO_LABELS),
            max_memory: gauges(
                "zoetrope_redis_max_memory_bytes",
                "Memory that Redis may use, 0 without a limit",
                NO_LABELS,
            ),
            aof_enabled: gauges(
                "zoetrope_redis_aof_enabled",
                "1 if Redis writes an append-only file",
                NO_LABELS,
            ),
            aof_write_ok: gauges(
                "zoetrope_redis_aof_write_ok",
                "1 if the last write of that file succeeded",
                NO_LABELS,
            ),
            replicas: gauges("zoetrope_redis_replicas", "Connected replicas", NO_LABELS),
            latency: gauges(
                "zoetrope_redis_latency_seconds",
                "Time of one round trip to Redis",
                NO_LABELS,
            ),
        }
    }

    /// Takes over what the queue and Redis say; what nobody says becomes absent.
    pub(crate) fn observe(&self, status: Option<&QueueStatus>, redis: Option<&RedisHealth>) {
        self.workers.reset();
        for (kind, workers) in status.into_iter().flat_map(by_kind) {
            self.workers.with_label_values(&[kind]).set(workers as f64);
        }
        let figures: [(&GaugeVec, Option<f64>); 6] = [
            (&self.used_memory, redis.map(|redis| redis.used_memory_bytes as f64)),
            (&self.max_memory, redis.map(|redis| redis.maxmemory_bytes as f64)),
            (
                &self.aof_enabled,
                redis.map(|redis| f64::from(redis.durability != "none")),
            ),
            (&self.aof_write_ok, redis.map(|redis| f64::from(redis.aof_write_ok))),
            (&self.replicas, redis.map(|redis| redis.replicas as f64)),
            (&self.latency, redis.map(|redis| redis.latency_ms / 1_000.0)),
        ];
        for (gauges, figure) in figures {
            gauges.reset();
            if let Some(figure) = figure {
                gauges.with_label_values(NO_LABELS).set(figure);
            }
        }
    }
}

/// Live workers of each kind of ours, those of which there are none included.
fn by_kind(status: &QueueStatus) -> impl Iterator<Item = (&'static str, usize)> {
    let live = |worker: &&WorkerStatus| !worker.draining && u128::from(worker.seen_ms_ago) < SILENT.as_millis();
    KINDS.iter().map(move |kind| {
        let runs = |worker: &&WorkerStatus| worker.kinds.iter().any(|known| known == kind.name);
        (kind.name, status.workers.iter().filter(live).filter(runs).count())
    })
}

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::*;

    fn text(registry: &Registry) -> String {
        TextEncoder::new()
            .encode_to_string(&registry.gather())
            .expect("metrics should be text")
    }

    fn worker(kinds: &[&str], seen_ms_ago: u64, draining: bool) -> WorkerStatus {
        WorkerStatus {
            name: "w".to_owned(),
            seen_ms_ago,
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            running: 0,
            draining,
        }
    }

    #[test]
    fn a_kind_without_a_live_worker_is_shown_as_such() {
        let registry = Registry::new();
        let condition = Condition::new(&registry);
        let workers = vec![
            worker(&["echo", "ocr"], 100, false),
            worker(&["echo"], 4_000, false),
            worker(&["image_analysis"], 100, true),
            worker(&["image_analysis"], 31_000, false),
        ];
        let kinds = Vec::new();
        condition.observe(Some(&QueueStatus { kinds, workers }), None);
        let text = text(&registry);
        for line in ["{kind=\"echo\"} 2", "{kind=\"ocr\"} 1", "{kind=\"image_analysis\"} 0"] {
            assert!(text.contains(&format!("zoetrope_queue_workers{line}\n")), "{text}");
        }
    }

    #[test]
    fn figures_of_a_redis_that_is_away_are_absent_rather_than_old() {
        let registry = Registry::new();
        let condition = Condition::new(&registry);
        let redis = RedisHealth {
            form: "tcp".to_owned(),
            shards: 1,
            version: "7.2.4".to_owned(),
            durability: "fast".to_owned(),
            maxmemory_policy: "noeviction".to_owned(),
            used_memory_bytes: 80,
            maxmemory_bytes: 100,
            aof_write_ok: false,
            replicas: 1,
            latency_ms: 250.0,
            warnings: Vec::new(),
        };
        condition.observe(None, Some(&redis));
        let known = text(&registry);
        for line in [
            "used_memory_bytes 80",
            "max_memory_bytes 100",
            "aof_enabled 1",
            "aof_write_ok 0",
            "replicas 1",
            "latency_seconds 0.25",
        ] {
            assert!(known.contains(&format!("zoetrope_redis_{line}\n")), "{known}");
        }
        condition.observe(None, None);
        assert_eq!(text(&registry), "");
    }
}
