//! Sizes, depths and names at their limits.

use std::time::Duration;

use redis::AsyncCommands;
use zoetrope_queue::{
    CancelOutcome, Enqueued, Idempotency, ListQuery, MAX_BATCH, MAX_SPEC_BYTES, NewTask, QueueError, SlotClass, State,
    TaskId,
};

use crate::stage::{Stage, TENANT, config, echoes, json, key, new_task};

/// Text that means something to Redis, to its protocol, to Lua and to the records.
const METACHARACTERS: [&str; 8] = [
    "*3\r\n$3\r\nSET\r\n",
    "{s01}:z:{",
    "a|b|c\nF|1|s|",
    "]]..redis.call('FLUSHALL')--[[",
    "\" \\ \u{0} \u{7f}",
    "%d %s %%1",
    "üñî 漢字 🦀",
    " ",
];

#[tokio::test]
async fn a_spec_over_the_limit_is_refused_and_leaves_nothing_behind() {
    let mut stage = Stage::new().await;
    let mut large = new_task("echo");
    large.input = json(&format!("\"{}\"", "x".repeat(MAX_SPEC_BYTES)));
    assert!(matches!(
        stage.queue.enqueue(large.clone()).await,
        Err(QueueError::Invalid { field: "input", .. })
    ));
    let answers = stage
        .queue
        .enqueue_batch(vec![new_task("echo"), large, new_task("echo")])
        .await
        .unwrap();
    assert!(answers[0].is_ok() && answers[1].is_err() && answers[2].is_ok());
    let queued: u64 = stage.raw.zcard(key("q:echo")).await.unwrap();
    assert_eq!(queued, 2);
}

#[tokio::test]
async fn tasks_that_break_a_rule_are_refused_by_field() {
    let stage = Stage::new().await;
    let with = |change: &dyn Fn(&mut NewTask)| {
        let mut task = new_task("echo");
        change(&mut task);
        task
    };
    let bad = [
        ("kind", with(&|task| task.kind = "Echo!".to_owned())),
        ("kind", with(&|task| task.kind = String::new())),
        ("tenant", with(&|task| task.tenant = "a:b".to_owned())),
        ("tenant", with(&|task| task.tenant = "x".repeat(65))),
        ("max_attempts", with(&|task| task.max_attempts = 0)),
        ("run_at", with(&|task| task.run_at_ms = Some(u64::MAX))),
        ("timeout", with(&|task| task.result_ttl = Duration::MAX)),
        ("tags", with(&|task| task.tags = vec![String::new()])),
        ("tags", with(&|task| task.tags = vec!["x".to_owned(); 33])),
        (
            "traceparent",
            with(&|task| task.traceparent = Some("00-1-2-3".to_owned())),
        ),
    ];
    for (wrong, task) in bad {
        let refused = stage.queue.enqueue(task).await;
        assert!(
            matches!(refused, Err(QueueError::Invalid { field, .. }) if field == wrong),
            "{wrong}: {refused:?}"
        );
    }
    let too_many = stage.queue.enqueue_batch(vec![new_task("echo"); MAX_BATCH + 1]).await;
    assert!(matches!(too_many, Err(QueueError::Invalid { field: "tasks", .. })));
}

#[tokio::test]
async fn nine_full_batches_are_taken_in_and_drained() {
    let mut stage = Stage::new().await;
    for _ in 0..9 {
        let mut batch = vec![new_task("echo"); MAX_BATCH];
        for (n, task) in batch.iter_mut().enumerate() {
            let key = format!("{n}");
            task.idempotency = (n % 2 == 0).then(|| Idempotency {
                key,
                fingerprint: "f".to_owned(),
            });
        }
        let answers = stage.queue.enqueue_batch(batch).await.unwrap();
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), MAX_BATCH);
    }
    // Half of each later batch repeats the keys of the first.
    let expected = 1_000 + 8 * 500;
    for _ in 0..4 {
        stage
            .queue
            .enqueue_batch(vec![new_task("ocr"); MAX_BATCH])
            .await
            .unwrap();
    }
    let mut config = config("w1", &["echo", "ocr"], 200);
    config.classes.push(SlotClass {
        name: "cpu",
        units: 50,
        spread: false,
    });
    config.kinds[0].claim_ahead = true;
    let worker = stage.worker_with(config, echoes());
    stage.until_kept(|count| count as u64 == expected + 4_000).await;
    assert_eq!(worker.stop().await.finished, expected + 4_000);
}

#[tokio::test]
async fn text_of_clients_means_nothing_to_redis() {
    let stage = Stage::new().await;
    let worker = stage.worker("w1", &["echo"], 4, echoes());
    for (n, text) in METACHARACTERS.iter().enumerate() {
        let mut task = new_task("echo");
        task.input = json(&serde_json::json!({ "text": text }).to_string());
        task.tags = vec![(*text).to_owned()];
        task.metadata = Some(json(&serde_json::json!({ (*text): [text] }).to_string()));
        task.idempotency = Some(Idempotency {
            key: (*text).to_owned(),
            fingerprint: format!("f{n}"),
        });
        let id = stage.enqueue_task(task.clone()).await;
        let seen = stage.reaches(id, State::Succeeded).await;
        assert_eq!(seen.result.unwrap().get(), task.input.get());
        assert_eq!(
            (&seen.tags, seen.metadata.unwrap().get()),
            (&task.tags, task.metadata.as_ref().unwrap().get())
        );
        assert_eq!(stage.queue.enqueue(task).await.unwrap(), Enqueued::Replayed(id));
        let tagged = ListQuery {
            limit: 5,
            tag: Some((*text).to_owned()),
            ..ListQuery::default()
        };
        let page = stage.queue.list(TENANT, &tagged).await.unwrap();
        assert_eq!(page.items.iter().map(|task| task.id).collect::<Vec<_>>(), [id]);
    }
    worker.stop().await;
}

#[tokio::test]
async fn an_id_of_another_shard_or_of_nobody_is_not_found() {
    let stage = Stage::new().await;
    for id in [
        TaskId::new(1_763_635_490_123, 7, 42),
        TaskId::new(1_763_635_490_123, 0, 42),
    ] {
        assert!(stage.queue.get(TENANT, id).await.unwrap().is_none());
        assert_eq!(stage.queue.cancel(TENANT, id).await.unwrap(), CancelOutcome::NotFound);
    }
}

#[tokio::test]
async fn a_cursor_or_limit_that_is_not_ours_is_refused() {
    let stage = Stage::new().await;
    for cursor in [
        "",
        "x",
        "-1",
        "0000000000000000000*-5",
        "00000000000000000000-",
        "00000000000000000000-1e400",
    ] {
        let query = ListQuery {
            limit: 5,
            cursor: Some(cursor.to_owned()),
            ..ListQuery::default()
        };
        let refused = stage.queue.list(TENANT, &query).await;
        assert!(
            matches!(refused, Err(QueueError::Invalid { field: "cursor", .. })),
            "{cursor}: {refused:?}"
        );
    }
    for limit in [0, 201] {
        let query = ListQuery {
            limit,
            ..ListQuery::default()
        };
        assert!(matches!(
            stage.queue.list(TENANT, &query).await,
            Err(QueueError::Invalid { field: "limit", .. })
        ));
    }
}
