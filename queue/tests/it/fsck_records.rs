//! What stands among records and is none of them: fsck names it, and leaves it to whoever looks at it.

use std::collections::BTreeSet;

use redis::AsyncCommands;
use zoetrope_queue::{Fault, FsckMode, State, TaskId};

use crate::fsck::{check, faults, run};
use crate::stage::{Stage, key};

#[tokio::test]
async fn what_stands_among_records_and_is_none_of_them_is_named() {
    let mut stage = Stage::new().await;
    let id = stage.enqueue("unserved").await;
    let records = format!("t:{}", id.span());
    let record: String = stage.raw.hget(key(&records), id.as_str()).await.unwrap();
    // Where nobody looks for it; what is no task; no records at all; a key of its own, as tasks had before.
    let elsewhere = format!("t:{}", TaskId::new(1_763_635_490_123, 0, 42).span());
    let lone = format!("t:{id}");
    run(&mut stage, &["HSET", &key(&elsewhere), id.as_str(), &record]).await;
    run(&mut stage, &["HSET", &key(&records), "nobody", "x"]).await;
    run(&mut stage, &["SET", &key("t:0000000r"), "x"]).await;
    run(&mut stage, &["SET", &key(&lone), &record]).await;
    let expected = [
        (Fault::UnreadableSpan, "t:0000000r".to_owned()),
        (Fault::NotOfSpan, id.to_string()),
        (Fault::NotOfSpan, "nobody".to_owned()),
        (Fault::UnknownKey, lone),
    ];
    assert_eq!(check(&stage).await, expected);
    let report = stage.queue.fsck(FsckMode::Fix).await.unwrap();
    assert_eq!(
        (faults(&report), report.mended, report.tasks),
        (expected.to_vec(), 0, 1)
    );
    let places: BTreeSet<_> = report
        .findings
        .iter()
        .filter_map(|finding| finding.index.clone())
        .collect();
    assert_eq!(places, BTreeSet::from([elsewhere, records]));
    assert_eq!(stage.task(id).await.state, State::Queued);
}
