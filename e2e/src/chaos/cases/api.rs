//! What callers of the API are promised while processes die, Redis is full, and they repeat and take back themselves.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::FutureExt;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};
use zoetrope_queue::FsckMode;

use crate::chaos::arena::patient_queue;
use crate::chaos::judge::{self, Verdict};
use crate::chaos::{Case, Scene, lasts};
use crate::http::{Answer, Http};
use crate::page::huge_page;
use crate::ports::free_port;
use crate::process::{Process, executable};
use crate::redis::{Durability, Redis};
use crate::stage::{Stage, StageBuilder};
use crate::tree::{ended, until_children_of};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "C05",
        fault: "SIGKILL of the API under load, ten times",
        promise: "each Idempotency-Key is exactly one task, and every client ends with 2xx",
        play: |scene| c05(scene).boxed(),
    },
    Case {
        id: "C29",
        fault: "a flood until Redis has no memory left",
        promise: "submits are refused with 503 queue_full and Retry-After, and what runs ends",
        play: |scene| c29(scene).boxed(),
    },
    Case {
        id: "C30",
        fault: "a Redis that is set to evict",
        promise: "workers end, the API is not ready until it is set right, and both say why",
        play: |scene| c30(scene).boxed(),
    },
    Case {
        id: "C39",
        fault: "100 submits at once with one Idempotency-Key, then one with another body",
        promise: "one task, and 422",
        play: |scene| c39(scene).boxed(),
    },
    Case {
        id: "C40",
        fault: "cancels that race with the ends of their tasks, and cancels of what a media child works on",
        promise: "one end each, and the one that the canceller was told; the child is gone within 2 s",
        play: |scene| c40(scene).boxed(),
    },
];

const SUBMITTERS: usize = 8;
/// Longest that the child of a canceled task may go on.
const CHILD_ENDS: Duration = Duration::from_secs(2);

fn stage() -> StageBuilder {
    Stage::builder()
        .env("LEASE_SECONDS", "2")
        .env("WORKER_KINDS", "echo")
        .env("WORKER_IO_SLOTS", "32")
        .env("RUST_LOG", "warn")
}

/// Waits until these tasks have ended, and holds what always has to hold against Redis.
async fn judge_stage(stage: &Stage, acknowledged: &BTreeSet<String>) -> Verdict {
    let queue = patient_queue(&stage.redis).await;
    let mut witness = stage.redis.connection().await;
    let (mut looks, give_up) = (
        interval(Duration::from_millis(50)),
        Instant::now() + Duration::from_secs(120),
    );
    let ended = loop {
        looks.tick().await;
        let ended = judge::all_ended(&mut witness).await;
        if acknowledged.iter().all(|id| ended.contains_key(id)) || Instant::now() > give_up {
            break ended;
        }
    };
    let mut verdict = Verdict {
        tasks: acknowledged.len(),
        lost: acknowledged.iter().filter(|id| !ended.contains_key(*id)).count(),
        twice: ended.values().filter(|task| task.kept > 1).count(),
        failed: ended.values().filter(|task| task.letter == 'f').count(),
        fsck: queue.fsck(FsckMode::Check).await.expect("redis should answer").found,
        ..Verdict::default()
    };
    let extra = ended.len().saturating_sub(acknowledged.len());
    verdict.promise(extra == 0, format!("tasks that nobody was told of: {extra}"));
    verdict
}

/// Posts until an answer is 2xx; the id, and how often it took.
async fn post_until_taken(http: &Http, key: &str, body: &Value) -> (String, usize) {
    let mut pauses = interval(Duration::from_millis(100));
    for tries in 1.. {
        pauses.tick().await;
        let answer = http
            .try_post("/api/v1/tasks/echo", &[("Idempotency-Key", key)], body)
            .await;
        if let Some(answer) = answer.filter(|answer| answer.status.is_success()) {
            return (answer.id(), tries);
        }
    }
    unreachable!("the loop has no end");
}

async fn c05(mut scene: Scene) -> Verdict {
    let mut stage = stage().workers(1).durability(Durability::Always).start().await;
    let each = scene.scale.of(60, 10);
    let mut submitters = JoinSet::new();
    for submitter in 0..SUBMITTERS {
        let http = stage.http.clone();
        submitters.spawn(async move {
            let mut taken = Vec::new();
            for number in 0..each {
                let key = format!("key-{submitter}-{number}");
                let body = json!({"input": {"message": key, "sleep_ms": 10}});
                taken.push(post_until_taken(&http, &key, &body).await);
            }
            taken
        });
    }
    let mut kills = 0;
    while !submitters.is_empty() && kills < 10 {
        lasts(Duration::from_millis(200 + scene.random.below(600) as u64)).await;
        stage.api.kill().await;
        stage.api.restart();
        stage.http.until_ready().await;
        kills += 1;
    }
    let taken: Vec<(String, usize)> = submitters.join_all().await.into_iter().flatten().collect();
    let ids: BTreeSet<String> = taken.iter().map(|(id, _)| id.clone()).collect();
    let repeats: usize = taken.iter().map(|(_, tries)| tries - 1).sum();
    let mut verdict = judge_stage(&stage, &ids).await;
    verdict.promise(
        ids.len() == taken.len(),
        format!(
            "{} keys are {} tasks; API killed {kills} times, submits repeated {repeats}",
            taken.len(),
            ids.len()
        ),
    );
    verdict
}

async fn c29(scene: Scene) -> Verdict {
    let stage = stage().workers(1).start().await;
    let mut ids = BTreeSet::new();
    for _ in 0..20 {
        let body = json!({"input": {"message": "runs meanwhile", "sleep_ms": 3_000}});
        ids.insert(stage.http.submit("echo", &body).await);
    }
    let room = stage.redis.used_memory().await + 1_000_000 * scene.scale.of(8, 3) as u64;
    stage
        .redis
        .run(&["CONFIG", "SET", "maxmemory", &room.to_string()])
        .await;
    let later = json!({"kind": "echo", "delay": 6, "input": {"message": "x".repeat(8_000)}});
    let refused: Answer = loop {
        let answer = stage
            .http
            .post("/api/v1/tasks/batch", &json!({"tasks": vec![later.clone(); 50]}))
            .await;
        if !answer.status.is_success() {
            break answer;
        }
        let items = answer.body["items"].as_array().cloned().unwrap_or_default();
        ids.extend(
            items
                .iter()
                .filter_map(|item| item["task_id"].as_str().map(str::to_owned)),
        );
    };
    let code = refused.body["code"].as_str().unwrap_or_default().to_owned();
    let told_when = refused.headers.contains_key("retry-after");
    let running: Vec<&String> = ids.iter().take(20).collect();
    for id in running {
        stage.http.until_ended(id).await;
    }
    stage.redis.run(&["CONFIG", "SET", "maxmemory", "0"]).await;
    let mut verdict = judge_stage(&stage, &ids).await;
    verdict.promise(
        refused.status == StatusCode::SERVICE_UNAVAILABLE && code == "queue_full" && told_when,
        format!(
            "after {} tasks: {} {code}, Retry-After {told_when}",
            ids.len(),
            refused.status
        ),
    );
    verdict
}

async fn c30(_scene: Scene) -> Verdict {
    let mut verdict = Verdict::default();
    let redis = Redis::start(Durability::None).await;
    redis.run(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let start = |name: &str, port: u16| {
        let env = [
            ("REDIS_URL", redis.url()),
            ("PORT", port.to_string()),
            ("WORKER_PORT", "0".to_owned()),
            ("WORKER_KINDS", "echo".to_owned()),
            ("DATA_DIR", redis.dir().join("data").display().to_string()),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value)).into();
        Process::start(name, executable(name), &env, redis.dir())
    };
    let mut worker = start("zoetrope-worker", 0);
    let (status, said) = (worker.ended().await, says_why(&worker).await);
    verdict.promise(!status.success() && said, format!("worker: {status}, says why: {said}"));

    let port = free_port();
    let (api, http) = (start("zoetrope-api", port), Http::on_port(port));
    http.until_answers("/livez").await;
    let said = says_why(&api).await;
    let ready = http.get("/readyz").await.status;
    let submit = http
        .post("/api/v1/tasks/echo", &json!({"input": {"message": "kept?"}}))
        .await
        .status;
    let away = StatusCode::SERVICE_UNAVAILABLE;
    let text = format!("api: ready {ready}, a submit {submit}, says why: {said}");
    verdict.promise(ready == away && submit == away && said, text);
    redis.run(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    http.until_ready().await;
    verdict
}

/// Waits until the log tells what is wrong.
async fn says_why(process: &Process) -> bool {
    let mut looks = interval(Duration::from_millis(50));
    for _ in 0..200 {
        looks.tick().await;
        if process.log().contains("noeviction") {
            return true;
        }
    }
    false
}

async fn c39(_scene: Scene) -> Verdict {
    let stage = stage().workers(1).start().await;
    let body = json!({"input": {"message": "once"}});
    let mut posts = JoinSet::new();
    for _ in 0..100 {
        let (http, body) = (stage.http.clone(), body.clone());
        posts.spawn(async move {
            http.post_with("/api/v1/tasks/echo", &[("Idempotency-Key", "one")], &body)
                .await
        });
    }
    let answers = posts.join_all().await;
    let taken = answers.iter().filter(|answer| answer.status.is_success()).count();
    let ids: BTreeSet<String> = answers
        .iter()
        .filter(|answer| answer.status.is_success())
        .map(Answer::id)
        .collect();
    let other = json!({"input": {"message": "twice"}});
    let conflict = stage
        .http
        .post_with("/api/v1/tasks/echo", &[("Idempotency-Key", "one")], &other)
        .await;
    let mut verdict = judge_stage(&stage, &ids).await;
    verdict.promise(
        taken == 100 && ids.len() == 1,
        format!("{taken} answers of 2xx name {} task", ids.len()),
    );
    verdict.promise(
        conflict.status == StatusCode::UNPROCESSABLE_ENTITY,
        format!("another body: {} {}", conflict.status, conflict.body["code"]),
    );
    verdict
}

async fn c40(mut scene: Scene) -> Verdict {
    let rounds = scene.scale.of(5, 1);
    let mut verdict = races(&mut scene).await;
    let slowest = children_of_canceled(rounds).await;
    verdict.promise_in_time(
        slowest <= CHILD_ENDS,
        format!("media children gone after {rounds} cancels within {CHILD_ENDS:?}: {slowest:?}"),
    );
    verdict
}

/// Cancels tasks that a media child works on; the longest that a child went on.
async fn children_of_canceled(rounds: usize) -> Duration {
    let stage = Stage::builder()
        .env("WORKER_KINDS", "ocr")
        .env("MAX_WORKERS", "1")
        .env("RUST_LOG", "warn")
        .start()
        .await;
    let (page, mut slowest) = (huge_page(), Duration::ZERO);
    for _ in 0..rounds {
        let answer = stage
            .http
            .post_file("/api/v1/tasks/ocr", "huge.png", page.clone())
            .await;
        let id = answer.id();
        stage.http.until(&id, |task| task["state"] == "running").await;
        let children = until_children_of(stage.workers[0].pid(), "zoetrope-media").await;
        let asked = Instant::now();
        stage.http.delete(&format!("/api/v1/tasks/{id}")).await;
        for child in children {
            ended(child).await;
        }
        slowest = slowest.max(asked.elapsed());
        let task = stage.http.until_ended(&id).await;
        assert_eq!(task["state"], "canceled", "{task}");
    }
    slowest
}

async fn races(scene: &mut Scene) -> Verdict {
    let stage = stage().workers(2).start().await;
    let count = scene.scale.of(1_000, 100);
    let mut racers = JoinSet::new();
    let mut ids = BTreeSet::new();
    let mut told = Vec::new();
    for number in 0..count {
        let works_ms = 50 + scene.random.below(200);
        let waits = Duration::from_millis(scene.random.below(250) as u64);
        let http = stage.http.clone();
        racers.spawn(async move {
            let id = http
                .submit("echo", &json!({"input": {"message": "race", "sleep_ms": works_ms}}))
                .await;
            lasts(waits).await;
            let answer = http.delete(&format!("/api/v1/tasks/{id}")).await;
            (id, answer)
        });
        if number % 50 == 49 {
            while let Some(raced) = racers.join_next().await {
                told.push(raced.expect("a racer should not panic"));
            }
        }
    }
    told.extend(racers.join_all().await);
    ids.extend(told.iter().map(|(id, _)| id.clone()));
    let mut verdict = judge_stage(&stage, &ids).await;
    let mut witness = stage.redis.connection().await;
    let ended = judge::all_ended(&mut witness).await;
    let (mut canceled, mut contradicted) = (0, 0);
    for (id, answer) in &told {
        let letter = ended.get(id).map(|task| task.letter);
        canceled += usize::from(letter == Some('c'));
        let said = match answer.body["state"].as_str() {
            Some("succeeded") => Some('s'),
            Some("canceled") => Some('c'),
            // Asked of its worker: either end may come.
            _ => letter,
        };
        contradicted += usize::from(said != letter);
    }
    verdict.promise(
        contradicted == 0,
        format!("{canceled} of {count} canceled, the others succeeded; ended otherwise than said: {contradicted}"),
    );
    verdict
}
