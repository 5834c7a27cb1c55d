//! Journals kept in order without an attempt: what is exchanged, held, summed up and brought back.

use std::time::Duration;

use tokio::sync::mpsc;
use zoetrope_queue::{Appended, Attempt, FsckMode, Journal, QueueError};

use crate::journal::hands_over;
use crate::stage::{Does, RunningWorker, Stage, TENANT, key};

const AT: (&str, &str) = (TENANT, "camera");

/// An attempt at work, and the journal that it has claimed.
async fn writes(stage: &Stage) -> (RunningWorker, Attempt, Journal) {
    stage.enqueue("echo").await;
    let (attempts_in, mut attempts) = mpsc::channel(1);
    let worker = stage.worker("w1", &["echo"], 1, Does(hands_over(attempts_in)));
    let attempt = attempts.recv().await.unwrap();
    let journal = attempt.claim_journal("camera", "note").await.unwrap().unwrap();
    (worker, attempt, journal)
}

#[tokio::test]
async fn a_page_is_exchanged_only_as_it_was_seen() {
    let stage = Stage::new().await;
    let (worker, _attempt, journal) = writes(&stage).await;
    journal.append(4, b"r1", 100).await.unwrap();
    let queue = &stage.queue;
    let seen = queue.journal_page(TENANT, "camera", 4).await.unwrap();
    journal.append(4, b"r2", 50).await.unwrap();
    assert!(!queue.rewrite_journal_page(AT, 4, &seen, b"r0r1", 7).await.unwrap());
    assert_eq!(queue.journal_page(TENANT, "camera", 4).await.unwrap(), b"r1r2");

    assert!(
        queue
            .rewrite_journal_page(AT, 4, b"r1r2", b"r0r1r2", 157)
            .await
            .unwrap()
    );
    assert!(
        queue.rewrite_journal_page(AT, 3, b"", b"q9", 9).await.unwrap(),
        "a page that was not there"
    );
    assert_eq!(
        queue.journal_pages(TENANT, "camera").await.unwrap(),
        [(3, 9), (4, 157)].into()
    );
    assert_eq!(
        journal.append(4, b"r3", 1).await.unwrap(),
        Appended::Written,
        "the writer goes on"
    );
    assert!(queue.rewrite_journal_page(AT, 3, b"q9", b"", 0).await.unwrap());
    assert_eq!(queue.journal_pages(TENANT, "camera").await.unwrap(), [(4, 158)].into());
    worker.kill().await;
}

#[tokio::test]
async fn a_journal_that_was_lost_is_known_again_and_the_next_epoch_is_higher() {
    let mut stage = Stage::new().await;
    let (worker, attempt, journal) = writes(&stage).await;
    let queue = stage.queue.clone();
    assert!(
        !queue.restore_journal(AT, journal.epoch, "other").await.unwrap(),
        "it is known"
    );
    let () = redis::cmd("DEL")
        .arg(key("jn"))
        .query_async(&mut stage.raw)
        .await
        .unwrap();
    assert_eq!(queue.journal(TENANT, "camera").await.unwrap(), None);

    assert!(queue.restore_journal(AT, 41, "note").await.unwrap());
    let head = queue.journal(TENANT, "camera").await.unwrap().unwrap();
    assert_eq!((head.epoch, head.task, head.note.as_str()), (41, None, "note"));
    assert_eq!(journal.append(1, b"late", 1).await.unwrap(), Appended::LeaseLost);
    let fresh = attempt.claim_journal("camera", "note").await.unwrap().unwrap();
    assert_eq!((fresh.epoch, fresh.before), (42, None));
    let refused = queue.restore_journal(AT, 50, "two\nlines").await;
    assert!(matches!(refused, Err(QueueError::Invalid { .. })), "{refused:?}");
    worker.kill().await;
}

#[tokio::test]
async fn pages_are_held_from_the_first_one_on_until_they_are_released_or_the_time_is_over() {
    let mut stage = Stage::new().await;
    let queue = stage.queue.clone();
    let held = async || queue.held_journal_page(TENANT, "camera").await.unwrap();
    assert_eq!(held().await, None);
    queue.hold_journal(AT, "one", 7, 60_000).await.unwrap();
    queue.hold_journal(AT, "two", 5, 10_000).await.unwrap();
    assert_eq!(held().await, Some(5));
    assert_eq!(queue.held_journal_page("someone_else", "camera").await.unwrap(), None);
    queue.release_journal(AT, "two", 5).await.unwrap();
    assert_eq!(held().await, Some(7));
    queue.hold_journal(AT, "three", 6, 5_000).await.unwrap();
    assert_eq!(held().await, Some(6));
    stage.advance(Duration::from_secs(6)).await;
    assert_eq!(held().await, Some(7), "the one that holds longer");
    let report = queue.fsck(FsckMode::Check).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    stage.advance(Duration::from_secs(60)).await;
    assert_eq!(held().await, None);
}

#[tokio::test]
async fn the_weight_of_a_tenant_is_that_of_all_its_journals() {
    let stage = Stage::new().await;
    let (worker, attempt, camera) = writes(&stage).await;
    let door = attempt.claim_journal("door", "").await.unwrap().unwrap();
    camera.append(1, b"r1", 3_000_000_000).await.unwrap();
    camera.append(2, b"r2", 20).await.unwrap();
    door.append(1, b"r3", 5).await.unwrap();
    let queue = &stage.queue;
    assert_eq!(queue.journals_weight(TENANT).await.unwrap(), 3_000_000_025);
    assert_eq!(
        queue.journals_weight("acm").await.unwrap(),
        0,
        "a name that another begins with"
    );
    worker.kill().await;
}
