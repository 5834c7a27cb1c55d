//! Following a task: whoever reads it again after each hint misses nothing, and leaves nothing behind.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use zoetrope_queue::{Appended, Attempt, Outcome, State};

use crate::stage::{Does, Stage, TENANT, json};

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
    let changes = watch.follow(id);
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
