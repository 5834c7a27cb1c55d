//! Tasks that stay for long are spread over the workers, however they come.

use std::time::Duration;

use tokio::sync::mpsc;
use zoetrope_queue::{Attempt, Outcome};

use crate::stage::{Does, LIMIT, Stage, config, new_task};

const WORKERS: usize = 3;
const TASKS: usize = 12;
/// A worker that steps for reasons of its own just when a task comes may take it before the one that is woken.
const APART: usize = 2;

#[tokio::test]
async fn long_tasks_go_to_the_worker_that_holds_the_fewest() {
    let stage = Stage::new().await;
    let (began, mut begins) = mpsc::channel(2 * TASKS);
    let mut workers = Vec::new();
    for number in 0..WORKERS {
        let began = began.clone();
        let handler = Does(move |_: Attempt| {
            let began = began.clone();
            async move {
                began.send(number).await.expect("the test listens");
                std::future::pending::<Outcome>().await
            }
        });
        let mut config = config(&format!("w{number}"), &["watch"], 64);
        config.classes[0].spread = true;
        config.drain_grace = Duration::ZERO;
        workers.push(stage.worker_with(config, handler));
    }
    let mut held = [0_usize; WORKERS];
    let mut count = async |held: &mut [usize; WORKERS]| {
        let begun = tokio::time::timeout(LIMIT, begins.recv()).await;
        held[begun.expect("a task should begin").expect("workers live")] += 1;
    };
    for _ in 0..TASKS {
        stage.queue.enqueue(new_task("watch")).await.unwrap();
        count(&mut held).await;
    }
    let apart = |held: &[usize; WORKERS]| held.iter().max().unwrap() - held.iter().min().unwrap();
    assert!(apart(&held) <= APART, "one by one: {held:?}");

    let tasks = (0..TASKS).map(|_| new_task("watch")).collect();
    stage.queue.enqueue_batch(tasks).await.unwrap();
    for _ in 0..TASKS {
        count(&mut held).await;
    }
    assert!(apart(&held) <= APART, "all at once: {held:?}");
    for worker in workers {
        worker.stop().await;
    }
}
