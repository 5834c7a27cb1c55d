//! Journals: what a task leaves behind in pages, fenced like every other word of an attempt.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc};
use zoetrope_queue::{Appended, Attempt, Outcome, QueueError, State};

use crate::stage::{Does, LEASE, Stage, TENANT, config, new_task};

/// A handler that hands its attempts over and does nothing more.
pub(crate) fn hands_over(
    attempts_in: mpsc::Sender<Attempt>,
) -> impl Fn(Attempt) -> futures_util::future::BoxFuture<'static, Outcome> + Clone {
    move |attempt: Attempt| {
        let attempts_in = attempts_in.clone();
        Box::pin(async move {
            attempts_in.send(attempt).await.unwrap();
            std::future::pending::<Outcome>().await
        })
    }
}

#[tokio::test]
async fn records_are_read_as_they_were_written_and_each_append_counts_once() {
    let stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    let (attempts_in, mut attempts) = mpsc::channel(1);
    let worker = stage.worker("w1", &["echo"], 1, Does(hands_over(attempts_in)));
    let attempt = attempts.recv().await.unwrap();
    let journal = attempt.claim_journal("camera_1", "keep=7").await.unwrap().unwrap();
    assert_eq!((journal.epoch, journal.before), (1, None));
    let odd = [0_u8, 255, 10, 13];
    assert_eq!(journal.append(7, b"aaaa", 10).await.unwrap(), Appended::Written);
    assert_eq!(journal.append(7, b"aaaa", 10).await.unwrap(), Appended::Duplicate);
    assert_eq!(journal.append(7, &odd, 5).await.unwrap(), Appended::Written);
    assert_eq!(journal.append(8, b"cccc", 1).await.unwrap(), Appended::Written);

    let queue = &stage.queue;
    assert_eq!(
        queue.journal_page(TENANT, "camera_1", 7).await.unwrap(),
        [b"aaaa", &odd[..]].concat()
    );
    assert_eq!(
        queue.journal_pages(TENANT, "camera_1").await.unwrap(),
        [(7, 15), (8, 1)].into()
    );
    let head = queue.journal(TENANT, "camera_1").await.unwrap().unwrap();
    assert_eq!((head.epoch, head.task, head.note.as_str()), (1, Some(id), "keep=7"));
    assert_eq!(queue.journals().await.unwrap(), [head]);
    assert_eq!(queue.journal("someone_else", "camera_1").await.unwrap(), None);
    assert!(
        queue
            .journal_pages("someone_else", "camera_1")
            .await
            .unwrap()
            .is_empty()
    );
    worker.kill().await;
}

#[tokio::test]
async fn a_worker_whose_lease_has_passed_on_appends_nothing() {
    let mut stage = Stage::new().await;
    let id = stage.enqueue_task(new_task("echo")).await;
    let (attempts_in, mut attempts) = mpsc::channel(2);
    let first = stage.worker("w1", &["echo"], 1, Does(hands_over(attempts_in.clone())));
    let lost = attempts.recv().await.unwrap();
    let stale = lost.claim_journal("camera", "").await.unwrap().unwrap();
    first.kill().await;
    let second = stage.worker_with(config("w2", &["echo"], 1), Does(hands_over(attempts_in)));
    stage.advance(LEASE * 2).await;
    let winner = attempts.recv().await.unwrap();
    assert_eq!(stale.append(1, b"late", 1).await.unwrap(), Appended::LeaseLost);
    let fresh = winner.claim_journal("camera", "").await.unwrap().unwrap();
    assert_eq!((fresh.epoch, fresh.before), (2, Some(id)));
    assert_eq!(fresh.append(1, b"good", 1).await.unwrap(), Appended::Written);
    assert_eq!(stale.append(1, b"late", 1).await.unwrap(), Appended::LeaseLost);
    assert!(lost.claim_journal("camera", "").await.unwrap().is_none());
    assert_eq!(stage.queue.journal_page(TENANT, "camera", 1).await.unwrap(), b"good");
    second.kill().await;
}

#[tokio::test]
async fn a_second_claim_of_one_attempt_ends_the_first() {
    let stage = Stage::new().await;
    stage.enqueue("echo").await;
    let (attempts_in, mut attempts) = mpsc::channel(1);
    let worker = stage.worker("w1", &["echo"], 1, Does(hands_over(attempts_in)));
    let attempt = attempts.recv().await.unwrap();
    let one = attempt.claim_journal("camera", "").await.unwrap().unwrap();
    let two = attempt.claim_journal("camera", "").await.unwrap().unwrap();
    assert_eq!(one.append(1, b"one", 1).await.unwrap(), Appended::LeaseLost);
    assert_eq!(two.append(1, b"two", 1).await.unwrap(), Appended::Written);
    worker.kill().await;
}

#[tokio::test]
async fn pages_are_trimmed_from_the_front_and_only_as_they_were_seen() {
    let stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    let (attempts_in, mut attempts) = mpsc::channel(1);
    let done = Arc::new(Notify::new());
    let handler = {
        let done = done.clone();
        move |attempt: Attempt| {
            let (attempts_in, done) = (attempts_in.clone(), done.clone());
            async move {
                let input = attempt.input.clone();
                attempts_in.send(attempt).await.unwrap();
                done.notified().await;
                Outcome::Succeeded(input)
            }
        }
    };
    let worker = stage.worker("w1", &["echo"], 1, Does(handler));
    let attempt = attempts.recv().await.unwrap();
    let journal = attempt.claim_journal("camera", "").await.unwrap().unwrap();
    for record in [b"r1", b"r2", b"r3"] {
        journal.append(4, record, 100).await.unwrap();
    }
    let queue = &stage.queue;
    let at = (TENANT, "camera");
    assert!(
        !queue.trim_journal(at, 4, b"r2", 2, 100).await.unwrap(),
        "it begins otherwise"
    );
    assert!(queue.trim_journal(at, 4, b"r1", 4, 200).await.unwrap());
    assert!(
        !queue.trim_journal(at, 4, b"r1", 4, 200).await.unwrap(),
        "and not again"
    );
    assert_eq!(queue.journal_page(TENANT, "camera", 4).await.unwrap(), b"r3");
    assert_eq!(queue.journal_pages(TENANT, "camera").await.unwrap(), [(4, 100)].into());
    assert!(!queue.forget_journal(TENANT, "camera").await.unwrap(), "it has a page");
    assert!(queue.trim_journal(at, 4, b"r3", 2, 100).await.unwrap());
    assert!(queue.journal_pages(TENANT, "camera").await.unwrap().is_empty());
    assert!(
        !queue.forget_journal(TENANT, "camera").await.unwrap(),
        "its task is at work"
    );
    done.notify_one();
    stage.reaches(id, State::Succeeded).await;
    assert!(queue.forget_journal(TENANT, "camera").await.unwrap());
    assert_eq!(queue.journals().await.unwrap(), []);
    worker.stop().await;
}

#[tokio::test]
async fn names_and_notes_that_would_break_the_layout_are_refused() {
    let stage = Stage::new().await;
    stage.enqueue("echo").await;
    let (attempts_in, mut attempts) = mpsc::channel(1);
    let worker = stage.worker("w1", &["echo"], 1, Does(hands_over(attempts_in)));
    let attempt = attempts.recv().await.unwrap();
    for name in ["", "a:b", "a b", "{x}", &"n".repeat(65)] {
        let refused = attempt.claim_journal(name, "").await;
        assert!(
            matches!(refused, Err(QueueError::Invalid { .. })),
            "{name:?}: {refused:?}"
        );
    }
    assert!(attempt.claim_journal("camera", &"n".repeat(257)).await.is_err());
    worker.kill().await;
}
