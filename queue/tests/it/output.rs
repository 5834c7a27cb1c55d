//! Output chunks: in order, each position once, fenced like every other word of an attempt.

use tokio::sync::mpsc;
use zoetrope_queue::{Appended, Attempt, Outcome, State};

use crate::stage::{Does, Stage, TENANT, config, json, new_task};

#[tokio::test]
async fn a_position_is_written_once_however_often_it_is_tried() {
    let stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    let (answers_in, mut answers) = mpsc::channel(8);
    let worker = stage.worker(
        "w1",
        &["echo"],
        1,
        Does(move |attempt: Attempt| {
            let answers_in = answers_in.clone();
            async move {
                for position in [5, 5, 4, 9] {
                    let chunk = json(&format!("{{\"at\":{position}}}"));
                    answers_in
                        .send(attempt.output().append(position, &chunk, None).await.unwrap())
                        .await
                        .unwrap();
                }
                Outcome::Succeeded(attempt.input)
            }
        }),
    );
    for expected in [
        Appended::Written,
        Appended::Duplicate,
        Appended::Duplicate,
        Appended::Written,
    ] {
        assert_eq!(answers.recv().await, Some(expected));
    }
    stage.reaches(id, State::Succeeded).await;
    let positions = |after| {
        let queue = &stage.queue;
        async move {
            let chunks = queue.read_output(TENANT, id, after, 10).await.unwrap().unwrap();
            chunks
                .into_iter()
                .map(|chunk| (chunk.seq, chunk.json.get().to_owned()))
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(
        positions(0).await,
        [(5, "{\"at\":5}".to_owned()), (9, "{\"at\":9}".to_owned())]
    );
    assert_eq!(positions(5).await, [(9, "{\"at\":9}".to_owned())]);
    assert_eq!(stage.queue.newest_output(TENANT, id).await.unwrap().unwrap().seq, 9);
    assert!(
        stage
            .queue
            .read_output("someone_else", id, 0, 10)
            .await
            .unwrap()
            .is_none()
    );
    worker.stop().await;
}

#[tokio::test]
async fn an_attempt_whose_lease_has_passed_on_writes_nothing() {
    let mut stage = Stage::new().await;
    let id = stage.enqueue_task(new_task("echo")).await;
    let (attempts_in, mut attempts) = mpsc::channel(2);
    let handler = move |attempt: Attempt| {
        let attempts_in = attempts_in.clone();
        async move {
            attempts_in.send(attempt).await.unwrap();
            std::future::pending::<Outcome>().await
        }
    };
    let first = stage.worker("w1", &["echo"], 1, Does(handler.clone()));
    let lost = attempts.recv().await.unwrap();
    first.kill().await;
    let second = stage.worker_with(config("w2", &["echo"], 1), Does(handler));
    stage.advance(crate::stage::LEASE * 2).await;
    let winner = attempts.recv().await.unwrap();
    assert_eq!(
        lost.output().append(1, &json("1"), None).await.unwrap(),
        Appended::LeaseLost
    );
    assert_eq!(
        winner.output().append(1, &json("2"), None).await.unwrap(),
        Appended::Written
    );
    assert_eq!(
        stage.queue.newest_output(TENANT, id).await.unwrap().unwrap().json.get(),
        "2"
    );
    second.kill().await;
}
