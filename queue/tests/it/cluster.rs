//! Redis Cluster: every shard's keys in one slot, followed wherever it goes.

use zoetrope_queue::{ConnectOptions, FsckMode, Queue};

use crate::cluster_servers::Cluster;
use crate::load::{Load, each_is_kept_once, note};
use crate::stage::{config, echoes, worker_on};

const TOTAL: usize = 3_000;
/// Tenants of several shards.
const TENANTS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

async fn connect(cluster: &Cluster) -> Queue {
    Queue::connect(ConnectOptions::new(cluster.url())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_that_move_under_load_lose_nothing_and_nobody_sees_an_error() {
    let cluster = Cluster::start(3, 0).await;
    let queue = connect(&cluster).await;
    let health = queue.health().await.unwrap();
    assert_eq!((health.form.as_str(), health.shards), ("cluster", 16));
    let others = connect(&cluster).await;
    let workers = vec![
        worker_on(&queue, config("w1", &["echo"], 16), echoes()),
        worker_on(&others, config("w2", &["echo"], 16), echoes()),
    ];
    let mut load = Load::start(&queue, &TENANTS, 16, TOTAL);
    let mut quarter = TOTAL / 4;
    for shard in 0..16 {
        load.reaches(quarter).await;
        quarter = (quarter + TOTAL / 32).min(TOTAL);
        cluster.move_shard(shard).await;
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
    let queue = connect(&cluster).await;
    let worker = worker_on(&queue, config("w1", &["echo"], 16), echoes());
    let mut load = Load::start(&queue, &TENANTS, 16, TOTAL);
    load.reaches(TOTAL / 4).await;
    cluster.servers[1].kill();
    let seen = load.settle(vec![worker]).await;
    note(&format!("cluster, a primary killed, node timeout 2000 ms: {seen:?}"));
    assert_eq!((seen.lost, seen.succeeded), (0, TOTAL));
    each_is_kept_once(&queue, &seen).await;
}
