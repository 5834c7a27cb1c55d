//! Following a task: whoever reads it again after each hint misses nothing, and leaves nothing behind.

use redis::AsyncCommands;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use zoetrope_queue::{Appended, Attempt, Outcome, State};

use crate::stage::{Does, Stage, TENANT, echoes, json, key};

#[tokio::test]
async fn hints_are_given_only_while_somebody_waits() {
    let mut stage = Stage::new().await;
    stage.enqueue("echo").await;
    let worker = stage.worker("w1", &["echo"], 1, echoes());
    stage.until_kept(|count| count == 1).await;
    let (hints, left): (bool, i64) = (
        stage.raw.exists(key("ev")).await.unwrap(),
        stage.raw.pttl(key("watched")).await.unwrap(),
    );
    assert!(!hints && left == -2, "nobody waits: {hints}, {left}");
    let id = stage.enqueue("echo").await;
    stage.reaches(id, State::Succeeded).await;
    let left: i64 = stage.raw.pttl(key("watched")).await.unwrap();
    assert!(left > 0, "it ends by itself when nobody waits any more");
    let id = stage.enqueue("echo").await;
    stage.reaches(id, State::Succeeded).await;
    assert!(stage.raw.exists::<_, bool>(key("ev")).await.unwrap());
    worker.stop().await;
}

#[tokio::test]
async fn a_follower_sees_every_chunk_and_is_forgotten_when_it_goes() {
    let stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    let (watch, watcher) = stage.queue.watch();
    let stop = CancellationToken::new();
    let reader = tokio::spawn(watcher.run(stop.clone()));
    let (next_in, next) = mpsc::channel::<u64>(1);
    let next = std::sync::Arc::new(tokio::sync::Mutex::new(next));
    let worker = stage.worker(
        "w1",
        &["echo"],
        1,
        Does(move |attempt: Attempt| {
            let next = next.clone();
            async move {
                while let Some(position) = next.lock().await.recv().await {
                    let appended = attempt.output().append(position, &json("1"), None).await;
                    assert_eq!(appended.unwrap(), Appended::Written);
                }
                Outcome::Succeeded(attempt.input)
            }
        }),
    );
    let changes = watch.follow(id).await;
    assert_eq!(watch.followed(), 1);
    let mut seen = 0;
    for position in 1..=20 {
        next_in.send(position).await.unwrap();
        while seen < position {
            let changed = changes.next();
            let chunks = stage.queue.read_output(TENANT, id, seen, 10).await.unwrap().unwrap();
            match chunks.last() {
                Some(chunk) => seen = chunk.seq,
                None => changed.await,
            }
        }
        assert_eq!(seen, position);
    }
    drop((changes, next_in));
    assert_eq!(watch.followed(), 0);
    stage.reaches(id, State::Succeeded).await;
    stop.cancel();
    reader.await.unwrap();
    worker.stop().await;
}
