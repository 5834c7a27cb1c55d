//! Every rule of the layout is broken by hand: fsck names it, mends it, and finds nothing afterwards.

use std::time::Duration;

use redis::AsyncCommands;
use tokio::sync::mpsc;
use zoetrope_queue::{
    Attempt, Enqueued, Failure, Fault, FsckMode, FsckReport, Idempotency, ListQuery, Outcome, State, Subject, TaskId,
};

use crate::stage::{Does, Stage, TENANT, echoes, hangs, key, new_task};

/// Says which task is broken and how Redis is told to break it.
pub(crate) async fn run(stage: &mut Stage, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    let (): () = command.query_async(&mut stage.raw).await.unwrap();
}

pub(crate) async fn check(stage: &Stage) -> Vec<(Fault, String)> {
    let report = stage.queue.fsck(FsckMode::Check).await.unwrap();
    assert_eq!((report.found, report.mended), (report.findings.len() as u64, 0));
    faults(&report)
}

pub(crate) fn faults(report: &FsckReport) -> Vec<(Fault, String)> {
    let mut faults: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.fault, finding.subject.clone()))
        .collect();
    faults.sort();
    faults
}

/// It is named, by a look and by a repair, and gone after the repair.
async fn is_named_and_mended(stage: &Stage, expected: &[(Fault, &str)]) {
    let mut expected: Vec<_> = expected
        .iter()
        .map(|(fault, subject)| (*fault, (*subject).to_owned()))
        .collect();
    expected.sort();
    assert_eq!(check(stage).await, expected);
    let report = stage.queue.fsck(FsckMode::Fix).await.unwrap();
    assert_eq!(faults(&report), expected);
    assert_eq!(report.mended, report.found);
    assert_eq!(check(stage).await, []);
}

async fn ended(stage: &Stage) -> TaskId {
    let worker = stage.worker("ends", &["echo"], 1, echoes());
    let id = stage.enqueue("echo").await;
    stage.reaches(id, State::Succeeded).await;
    worker.stop().await;
    id
}

async fn list_of_results(stage: &mut Stage) -> String {
    let lists: Vec<String> = stage.raw.keys(key("done:*")).await.unwrap();
    assert_eq!(lists.len(), 1, "one task has ended");
    lists[0].clone()
}

#[tokio::test]
async fn a_queue_at_work_is_clean() {
    let stage = Stage::new().await;
    let (begun_in, mut begun) = mpsc::channel(8);
    let mixed = Does(move |attempt: Attempt| {
        let begun_in = begun_in.clone();
        async move {
            begun_in.send(()).await.unwrap();
            match attempt.input.get() {
                r#""fails""# => Outcome::Failed(Failure::non_retryable("no", "no")),
                r#""runs""# => {
                    let chunk = crate::stage::json(r#""chunk""#);
                    attempt.output().append(1, &chunk, None).await.unwrap();
                    attempt.progress(5, "halfway");
                    attempt.stopped().await;
                    Outcome::Released
                }
                _ => Outcome::Succeeded(attempt.input),
            }
        }
    });
    let worker = stage.worker("w1", &["echo", "other"], 4, mixed);
    for input in [r#""fails""#, r#""runs""#, r#""succeeds""#] {
        let mut task = new_task("echo");
        task.input = crate::stage::json(input);
        task.idempotency = Some(Idempotency {
            key: input.to_owned(),
            fingerprint: "f".to_owned(),
        });
        stage.enqueue_task(task).await;
        begun.recv().await.unwrap();
    }
    let mut later = new_task("other");
    later.delay = Some(Duration::from_secs(3_600));
    stage.enqueue_task(later).await;
    stage.enqueue("unserved").await;
    let report = stage.queue.fsck(FsckMode::Check).await.unwrap();
    assert_eq!((faults(&report), report.tasks), (vec![], 5));
    worker.stop().await;
    assert_eq!(check(&stage).await, []);
}

#[tokio::test]
async fn a_task_in_no_index_is_queued_again_and_runs() {
    let mut stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    run(&mut stage, &["ZREM", &key("q:echo"), id.as_str()]).await;
    is_named_and_mended(&stage, &[(Fault::InNoIndex, id.as_str())]).await;
    let worker = stage.worker("w1", &["echo"], 1, echoes());
    stage.reaches(id, State::Succeeded).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_task_in_several_indexes_is_left_in_one_of_them() {
    let mut stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    for (index, score) in [("tm", "99"), ("lease", "99999999999999"), ("solo:echo", "5")] {
        run(&mut stage, &["ZADD", &key(index), score, id.as_str()]).await;
    }
    is_named_and_mended(&stage, &[(Fault::InSeveralIndexes, id.as_str())]).await;
    let queued: Option<f64> = stage.raw.zscore(key("q:echo"), id.as_str()).await.unwrap();
    assert!(
        queued.is_some(),
        "the first of the others stays, for no attempt holds it"
    );
}

#[tokio::test]
async fn a_lease_that_no_attempt_holds_is_ended() {
    let mut stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    run(&mut stage, &["ZREM", &key("q:echo"), id.as_str()]).await;
    run(&mut stage, &["ZADD", &key("lease"), "99999999999999", id.as_str()]).await;
    is_named_and_mended(&stage, &[(Fault::LeaseWithoutAttempt, id.as_str())]).await;
    assert_eq!(stage.task(id).await.state, State::Queued);
}

#[tokio::test]
async fn an_attempt_without_a_lease_holds_its_task_no_longer() {
    let mut stage = Stage::new().await;
    let worker = stage.worker("w1", &["echo"], 1, hangs());
    let id = stage.enqueue("echo").await;
    stage.reaches(id, State::Running).await;
    worker.kill().await;
    run(&mut stage, &["ZREM", &key("lease"), id.as_str()]).await;
    run(&mut stage, &["ZADD", &key("q:echo"), "5", id.as_str()]).await;
    is_named_and_mended(&stage, &[(Fault::AttemptWithoutLease, id.as_str())]).await;
    let held: Option<String> = stage.raw.hget(key("a"), id.as_str()).await.unwrap();
    assert_eq!(held, None, "the attempt that was lost counts for nothing");
}

#[tokio::test]
async fn a_running_task_that_lost_its_place_is_leased_anew() {
    let mut stage = Stage::new().await;
    let worker = stage.worker("w1", &["echo"], 1, hangs());
    let id = stage.enqueue("echo").await;
    stage.reaches(id, State::Running).await;
    worker.kill().await;
    run(&mut stage, &["ZREM", &key("lease"), id.as_str()]).await;
    is_named_and_mended(&stage, &[(Fault::InNoIndex, id.as_str())]).await;
    assert_eq!(stage.task(id).await.state, State::Running);
}

#[tokio::test]
async fn a_task_that_is_not_listed_is_listed_again() {
    let mut stage = Stage::new().await;
    let (live, over) = (stage.enqueue("unserved").await, ended(&stage).await);
    let pages: Vec<String> = stage.raw.keys(key(&format!("ix:{TENANT}*"))).await.unwrap();
    for page in pages {
        run(&mut stage, &["DEL", &page]).await;
    }
    let expected = [(Fault::NotListed, live.as_str()), (Fault::NotListed, over.as_str())];
    is_named_and_mended(&stage, &expected).await;
}

#[tokio::test]
async fn pages_of_a_list_are_named_if_they_are_there() {
    let mut stage = Stage::new().await;
    let id = stage.enqueue("unserved").await;
    let list = format!("ix:{TENANT}");
    let all = ListQuery {
        limit: 10,
        ..ListQuery::default()
    };
    run(&mut stage, &["ZADD", &key(&list), "5", "5"]).await;
    let without = format!("{list}:5");
    is_named_and_mended(&stage, &[(Fault::PageWithoutTasks, without.as_str())]).await;

    run(&mut stage, &["DEL", &key(&list)]).await;
    assert!(stage.queue.list(TENANT, &all).await.unwrap().items.is_empty());
    let wrong = check(&stage).await;
    assert!(
        wrong.iter().any(|(fault, _)| *fault == Fault::PageNotNamed),
        "{wrong:?}"
    );
    let mended = stage.queue.fsck(FsckMode::Fix).await.unwrap();
    assert_eq!(
        faults(&mended).iter().map(|(fault, _)| *fault).collect::<Vec<_>>(),
        [Fault::PageNotNamed]
    );
    assert_eq!(check(&stage).await, []);
    assert_eq!(stage.queue.list(TENANT, &all).await.unwrap().items[0].id, id);
}

#[tokio::test]
async fn an_ended_task_leaves_state_indexes_and_attempts() {
    let mut stage = Stage::new().await;
    let id = ended(&stage).await;
    run(&mut stage, &["ZADD", &key("q:echo"), "5", id.as_str()]).await;
    run(&mut stage, &["HSET", &key("a"), id.as_str(), "||1|0"]).await;
    let expected = [(Fault::EndedInIndex, id.as_str()), (Fault::AttemptOfEnded, id.as_str())];
    is_named_and_mended(&stage, &expected).await;
}

#[tokio::test]
async fn a_result_that_nothing_would_prune_is_kept_for_its_time() {
    let mut stage = Stage::new().await;
    let id = ended(&stage).await;
    let list = list_of_results(&mut stage).await;
    run(&mut stage, &["DEL", &list]).await;
    let moment = list.rsplit_once(':').unwrap().1.to_owned();
    let without = format!("done:{moment}");
    let expected = [
        (Fault::NotKept, id.as_str()),
        (Fault::MomentWithoutResults, without.as_str()),
    ];
    is_named_and_mended(&stage, &expected).await;
    assert_eq!(list_of_results(&mut stage).await, list);
}

#[tokio::test]
async fn results_whose_moment_is_unknown_and_results_listed_twice_are_put_right() {
    let mut stage = Stage::new().await;
    let id = ended(&stage).await;
    let list = list_of_results(&mut stage).await;
    run(&mut stage, &["RPUSH", &list, id.as_str()]).await;
    run(&mut stage, &["DEL", &key("done")]).await;
    let name = list.strip_prefix(&key("")).unwrap().to_owned();
    let expected = [
        (Fault::KeptTwice, id.as_str()),
        (Fault::ResultsWithoutMoment, name.as_str()),
    ];
    is_named_and_mended(&stage, &expected).await;
}

#[tokio::test]
async fn a_dead_letter_that_nothing_would_prune_is_kept_for_its_time() {
    let mut stage = Stage::new().await;
    let fails = Does(|_| async { Outcome::Failed(Failure::non_retryable("no", "no")) });
    let worker = stage.worker("w1", &["echo"], 1, fails);
    let id = stage.enqueue("echo").await;
    stage.reaches(id, State::Failed).await;
    worker.stop().await;
    let due: f64 = stage.raw.zscore(key("dl"), id.as_str()).await.unwrap();
    run(&mut stage, &["DEL", &key("dl")]).await;
    is_named_and_mended(&stage, &[(Fault::NotKept, id.as_str())]).await;
    let again: f64 = stage.raw.zscore(key("dl"), id.as_str()).await.unwrap();
    assert!((due - again).abs() < 1.0, "{due} {again}");
}

#[tokio::test]
async fn what_names_a_task_of_another_kind_tenant_or_state_forgets_it() {
    let mut stage = Stage::new().await;
    let id = stage.enqueue("echo").await;
    run(&mut stage, &["HSET", &key("kinds"), "other", "1"]).await;
    for index in ["q:other", "dl"] {
        run(&mut stage, &["ZADD", &key(index), "5", id.as_str()]).await;
    }
    run(&mut stage, &["RPUSH", &key("ix:somebody:5"), id.as_str()]).await;
    run(&mut stage, &["ZADD", &key("ix:somebody"), "5", "5"]).await;
    run(&mut stage, &["RPUSH", &key("done:1000"), id.as_str()]).await;
    run(&mut stage, &["ZADD", &key("done"), "1000", "1000"]).await;
    is_named_and_mended(&stage, &[(Fault::InWrongIndex, id.as_str()); 4]).await;
    assert_eq!(stage.task(id).await.state, State::Queued);
}

#[tokio::test]
async fn what_is_left_of_a_task_without_a_record_goes() {
    let mut stage = Stage::new().await;
    let mut task = new_task("echo");
    task.idempotency = Some(Idempotency {
        key: "k".to_owned(),
        fingerprint: "f".to_owned(),
    });
    let id = stage.enqueue_task(task).await;
    run(&mut stage, &["HSET", &key("a"), id.as_str(), "||1|0"]).await;
    run(&mut stage, &["XADD", &key(&format!("o:{id}")), "1-0", "d", "x"]).await;
    run(&mut stage, &["ZADD", &key("park"), "5", id.as_str()]).await;
    run(&mut stage, &["RPUSH", &key("done:1000"), id.as_str()]).await;
    run(&mut stage, &["ZADD", &key("done"), "1000", "1000"]).await;
    run(&mut stage, &["HDEL", &key(&format!("t:{}", id.span())), id.as_str()]).await;
    stage.advance(Duration::from_secs(1)).await;
    let idem: Vec<String> = stage.raw.keys(key("idem:*")).await.unwrap();
    let idem = idem[0].strip_prefix(&key("")).unwrap();
    let expected = [
        (Fault::IndexWithoutRecord, id.as_str()),
        (Fault::IndexWithoutRecord, id.as_str()),
        (Fault::IndexWithoutRecord, id.as_str()),
        (Fault::Parked, id.as_str()),
        (Fault::AttemptWithoutRecord, id.as_str()),
        (Fault::OutputWithoutRecord, id.as_str()),
        (Fault::KeyWithoutTask, idem),
        (Fault::Miscounted, "n:acme"),
    ];
    is_named_and_mended(&stage, &expected).await;
}

#[tokio::test]
async fn what_would_never_lapse_gets_an_end() {
    let mut stage = Stage::new().await;
    for name in ["w:gone", "rp:gone:0", "rt:5", "hold"] {
        run(&mut stage, &["SET", &key(name), "x"]).await;
    }
    let expected = ["w:gone", "rp:gone:0", "rt:5", "hold"].map(|name| (Fault::WithoutExpiry, name));
    is_named_and_mended(&stage, &expected).await;
}

#[tokio::test]
async fn idle_workers_that_are_gone_and_kinds_nobody_announced_are_put_right() {
    let mut stage = Stage::new().await;
    stage.enqueue("echo").await;
    run(&mut stage, &["DEL", &key("kinds")]).await;
    run(&mut stage, &["ZADD", &key("idle:echo"), "5", "gone"]).await;
    let expected = [(Fault::KindNotRegistered, "q:echo"), (Fault::StaleIdle, "idle:echo")];
    is_named_and_mended(&stage, &expected).await;
}

#[tokio::test]
async fn tasks_whose_key_gets_no_turn_are_claimed_again() {
    let mut stage = Stage::new().await;
    for name in ["a", "b"] {
        let mut task = new_task("echo");
        task.fairness_key = Some(name.to_owned());
        stage.enqueue_task(task).await;
    }
    stage.enqueue("other").await;
    run(&mut stage, &["ZREM", &key(&format!("fl:echo:{TENANT}")), "a"]).await;
    run(&mut stage, &["HDEL", &key("own"), "other"]).await;
    let queue = format!("f:echo:{TENANT}:a");
    let expected = [
        (Fault::QueueWithoutTurn, queue.as_str()),
        (Fault::QueueWithoutTurn, "q:other"),
    ];
    is_named_and_mended(&stage, &expected).await;
    let worker = stage.worker("w1", &["echo", "other"], 1, echoes());
    stage.until_kept(|count| count == 3).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_key_at_its_limit_comes_back_whatever_was_lost() {
    let mut stage = Stage::new().await;
    let tasks = Subject::EachKey(TENANT.to_owned());
    stage.queue.set_limits(&tasks, Some(1), None).await.unwrap();
    let (first, second) = (stage.enqueue("echo").await, stage.enqueue("echo").await);
    let worker = stage.worker("w1", &["echo"], 4, hangs());
    stage.reaches(first, State::Running).await;
    worker.kill().await;
    // A holder that does not run, and nobody to bring the key back.
    let (ring, back) = (format!("fl:echo:{TENANT}"), format!("b:{TENANT}:"));
    stage
        .until(redis::cmd("EXISTS").arg(key(&back)), |there: &bool| *there)
        .await;
    run(&mut stage, &["DEL", &key(&back)]).await;
    run(
        &mut stage,
        &["ZADD", &key(&format!("c:{TENANT}:")), "5", second.as_str()],
    )
    .await;
    let expected = [
        (Fault::InWrongIndex, second.as_str()),
        (Fault::AwayForEver, ring.as_str()),
    ];
    is_named_and_mended(&stage, &expected).await;
    stage.queue.set_limits(&tasks, None, None).await.unwrap();
    let worker = stage.worker("w2", &["echo"], 4, echoes());
    stage.reaches(second, State::Succeeded).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_deadline_that_nobody_would_meet_is_met_again() {
    let mut stage = Stage::new().await;
    let mut task = new_task("unserved");
    task.expires_in = Some(Duration::from_secs(3_600));
    let id = stage.enqueue_task(task).await;
    run(&mut stage, &["ZREM", &key("tm"), "exp/"]).await;
    is_named_and_mended(&stage, &[(Fault::DeadlineWithoutTimer, "exp")]).await;
    run(&mut stage, &["ZREM", &key("tm"), "exp/"]).await;
    run(&mut stage, &["ZREM", &key("exp"), id.as_str()]).await;
    is_named_and_mended(&stage, &[(Fault::DeadlineNotKept, id.as_str())]).await;
    let other = stage.enqueue("unserved").await;
    run(&mut stage, &["ZADD", &key("exp"), "5", other.as_str()]).await;
    let wrong = [
        (Fault::InWrongIndex, other.as_str()),
        (Fault::DeadlineWithoutTimer, "exp"),
    ];
    is_named_and_mended(&stage, &wrong).await;
    stage.advance(Duration::from_secs(3_600)).await;
    let worker = stage.worker("w1", &["echo"], 1, echoes());
    stage.reaches(id, State::Expired).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_unique_key_that_was_lost_is_held_again() {
    let mut stage = Stage::new().await;
    let unique = || {
        let mut task = new_task("unserved");
        task.unique_key = Some("k".to_owned());
        task
    };
    let first = stage.enqueue_task(unique()).await;
    let names: Vec<String> = stage.raw.keys(key("u:*")).await.unwrap();
    run(&mut stage, &["DEL", &names[0]]).await;
    is_named_and_mended(&stage, &[(Fault::UniqueKeyNotHeld, first.as_str())]).await;
    assert_eq!(stage.queue.enqueue(unique()).await.unwrap(), Enqueued::Exists(first));
    // Of nobody, and then of two.
    let nobody = TaskId::new(1_763_635_490_123, 0, 42);
    run(&mut stage, &["SET", &key("u:acme:0"), nobody.as_str()]).await;
    is_named_and_mended(&stage, &[(Fault::UniqueKeyWithoutTask, "u:acme:0")]).await;
    run(&mut stage, &["DEL", &names[0]]).await;
    let second = stage.enqueue_task(unique()).await;
    assert_eq!(check(&stage).await, [(Fault::NotUnique, first.to_string())]);
    stage.queue.cancel(TENANT, second).await.unwrap();
    is_named_and_mended(&stage, &[(Fault::UniqueKeyNotHeld, first.as_str())]).await;
}

/// What the tenant has is said to be other than it is, until it is mended.
async fn is_counted_again(stage: &Stage) {
    let wrong = (Fault::Miscounted, "n:acme".to_owned());
    assert!(check(stage).await.contains(&wrong));
    assert!(faults(&stage.queue.fsck(FsckMode::Fix).await.unwrap()).contains(&wrong));
    assert!(!check(stage).await.contains(&wrong));
}

#[tokio::test]
async fn what_a_tenant_has_is_counted_again() {
    let mut stage = Stage::new().await;
    for _ in 0..3 {
        stage.enqueue("unserved").await;
    }
    let right = stage.queue.backlog(TENANT).await.unwrap();
    assert_eq!(right.tasks, 3);
    stage.advance(Duration::from_secs(1)).await;
    assert_eq!(check(&stage).await, []);
    for wrong in ["4|100|5", "2|100|5"] {
        run(&mut stage, &["SET", &key("n:acme"), wrong]).await;
        is_named_and_mended(&stage, &[(Fault::Miscounted, "n:acme")]).await;
        assert_eq!(stage.queue.backlog(TENANT).await.unwrap(), right);
    }
    run(&mut stage, &["DEL", &key("n:acme")]).await;
    run(&mut stage, &["SET", &key("n:nobody"), "1|1|5"]).await;
    let wrong = [(Fault::Miscounted, "n:acme"), (Fault::Miscounted, "n:nobody")];
    is_named_and_mended(&stage, &wrong).await;
    assert_eq!(stage.queue.backlog(TENANT).await.unwrap(), right);
}

#[tokio::test]
async fn what_cannot_be_mended_is_named_and_left_alone() {
    let mut stage = Stage::new().await;
    let mut task = new_task("unserved");
    task.idempotency = Some(Idempotency {
        key: "k".to_owned(),
        fingerprint: "f".to_owned(),
    });
    let (keyless, odd) = (stage.enqueue_task(task).await, stage.enqueue("unserved").await);
    let idem: Vec<String> = stage.raw.keys(key("idem:*")).await.unwrap();
    run(&mut stage, &["DEL", &idem[0]]).await;
    let records = key(&format!("t:{}", odd.span()));
    run(&mut stage, &["HSET", &records, odd.as_str(), "Z|what is this"]).await;
    run(&mut stage, &["SET", &key("surprise"), "x"]).await;
    // The tenant has one task less than it had.
    stage.advance(Duration::from_secs(1)).await;
    is_counted_again(&stage).await;
    let expected = vec![
        (Fault::TaskWithoutKey, keyless.to_string()),
        (Fault::UnreadableRecord, odd.to_string()),
        (Fault::UnknownKey, "surprise".to_owned()),
    ];
    assert_eq!(check(&stage).await, expected);
    let report = stage.queue.fsck(FsckMode::Fix).await.unwrap();
    assert_eq!((faults(&report), report.mended), (expected.clone(), 0));
    assert_eq!(check(&stage).await, expected);
}
