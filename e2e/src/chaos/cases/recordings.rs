//! What is promised of a recording while the workers that make it are killed: every picture that a camera has sent is in a
//! file that can be exported, or in a gap that the index names, and gaps are short. The camera numbers its pictures by
//! the clock, so that nothing has to be believed.

use std::time::Duration;

use futures_util::future::FutureExt;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use zoetrope_queue::{FsckMode, Queue};

use crate::chaos::arena::patient_queue;
use crate::chaos::judge::Verdict;
use crate::chaos::{Case, Scale, Scene, lasts};
use crate::numbered::{self, FPS, NumberedCamera};
use crate::s3::S3Server;
use crate::stage::{Stage, StageBuilder};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "R1",
        fault: "SIGKILL of the worker that records a camera into a local directory, again and again, then SIGTERM",
        promise: "every picture sent is in an exported MP4 or in a gap, a gap is at most a second, the lease and the way back",
        play: |scene| r1(scene).boxed(),
    },
    Case {
        id: "R2",
        fault: "the same with an S3 server, which gets whole segments",
        promise: "the same, where a gap may be a segment longer",
        play: |scene| r2(scene).boxed(),
    },
];

const LEASE: Duration = Duration::from_secs(2);
/// From the end of the lease to the first picture of the next worker.
const WAY_BACK: Duration = Duration::from_secs(2);
/// What a kill costs of what was received: a part in a local directory; elsewhere a segment, until it is stored.
const PART: Duration = Duration::from_secs(1);
const SEGMENT: Duration = Duration::from_secs(5);
/// Longest gap of a drain.
const HANDED_OVER: Duration = Duration::from_secs(2);
/// What the length of a gap may differ from the time of the pictures in it.
const TOLERANCE: Duration = Duration::from_millis(500);
/// From the first segment of an attempt to its end: with that it has lived over four leases, or the third of its kind would be
/// a dead letter.
const LIVES_MS: u64 = 5_500;

async fn r1(scene: Scene) -> Verdict {
    play(scene, stage(), PART).await
}

async fn r2(scene: Scene) -> Verdict {
    let store = S3Server::start().await;
    play(scene, store.keeps_media_of(stage()), SEGMENT).await
}

/// However full the disk is.
fn stage() -> StageBuilder {
    Stage::builder()
        .workers(2)
        .env("NETGUARD_ALLOW_CIDRS", "127.0.0.1/32")
        .env("RECORDING_MAX_DISK_PERCENT", "101")
        .env("LEASE_SECONDS", &LEASE.as_secs().to_string())
        .env("WORKER_KINDS", "stream_ingest")
}

/// A camera and who records it.
struct Shooting {
    stage: Stage,
    queue: Queue,
    camera: NumberedCamera,
    id: String,
}

async fn play(mut scene: Scene, stage: StageBuilder, kill_costs: Duration) -> Verdict {
    let camera = NumberedCamera::start().await;
    let stage = stage.start().await;
    let input = json!({"url": camera.url(), "store": true});
    let id = stage.http.submit("stream_ingest", &json!({"input": input})).await;
    let queue = patient_queue(&stage.redis).await;
    let mut shooting = Shooting {
        stage,
        queue,
        camera,
        id,
    };
    let begun = Instant::now();
    let (kills, spread_ms, lasting) = match scene.scale {
        Scale::Full => (20, 34_000, Duration::from_secs(600)),
        Scale::Smoke => (8, 2_500, Duration::from_secs(120)),
    };
    let mut known = 0;
    for _ in 0..kills {
        shooting.until_ranges(known + 1).await;
        lasts(Duration::from_millis(LIVES_MS + scene.random.below(spread_ms) as u64)).await;
        known = shooting.until_ranges(known + 1).await;
        let victim = shooting.holder().await;
        shooting.stage.workers[victim].kill().await;
        shooting.stage.workers[victim].restart();
    }
    shooting.until_ranges(known + 1).await;
    sleep_until(begun + lasting).await;
    known = shooting.until_ranges(known + 1).await;
    let victim = shooting.holder().await;
    let status = shooting.stage.workers[victim].terminate().await;
    shooting.until_ranges(known + 1).await;
    let http = &shooting.stage.http;
    http.delete(&format!("/api/v1/tasks/{}", shooting.id)).await;
    http.until_ended(&shooting.id).await;
    let mut verdict = shooting.judge(kill_costs, kills).await;
    verdict.promise(status.success(), format!("a drain ends with {status}"));
    verdict
}

impl Shooting {
    fn recordings(&self) -> String {
        let from = self.camera.began_ms() / 1_000;
        format!("/api/v1/streams/{}/recordings?start={from}", self.id)
    }

    /// Waits until so many stretches are recorded, at least, and answers how many there are.
    async fn until_ranges(&self, count: usize) -> usize {
        let enough = |found: &Value| list(found, "ranges").len() >= count;
        let found = self.stage.http.until_body(&self.recordings(), enough).await;
        list(&found, "ranges").len()
    }

    /// Which of the workers has the stream.
    async fn holder(&self) -> usize {
        let id = self.id.parse().expect("the api answers ids");
        loop {
            let task = self.queue.get("default", id).await.expect("redis should answer");
            let worker = task.and_then(|task| task.worker).unwrap_or_default();
            let mut workers = self.stage.workers.iter();
            if let Some(place) = workers.position(|process| worker.contains(&format!("-{}-", process.id()))) {
                return place;
            }
            // Nobody has it at the moment, or somebody who is dead.
            lasts(LEASE / 10).await;
        }
    }

    /// Exports everything and counts.
    async fn judge(&self, kill_costs: Duration, kills: usize) -> Verdict {
        let found = self.stage.http.get(&self.recordings()).await.body;
        let fsck = self.queue.fsck(FsckMode::Check).await;
        let mut verdict = Verdict {
            tasks: 1,
            fsck: fsck.expect("redis should answer").found,
            ..Verdict::default()
        };
        let mut films: Vec<Film> = Vec::new();
        for range in list(&found, "ranges") {
            let export = range["export"].as_str().unwrap_or_default();
            let (status, _, bytes) = self.stage.http.bytes(export, &[]).await;
            let numbers = match status.is_success() {
                true => numbered::numbers_of(&bytes, self.stage.dir()),
                false => Err(format!("an export is answered {status}")),
            };
            match numbers {
                Ok(numbers) => films.push(Film {
                    start: seconds(&range["start"]),
                    end: seconds(&range["end"]),
                    numbers,
                }),
                Err(said) => verdict.promise(false, format!("every export is a flawless film: {said}")),
            }
        }
        count(&mut verdict, &films, list(&found, "gaps"));
        let worker = list(&found, "gaps")
            .iter()
            .filter(|gap| gap["cause"] == "worker")
            .count();
        verdict.promise(
            worker >= kills,
            format!("{worker} gaps have the cause worker after {kills} kills and a drain"),
        );
        let handed_over = films
            .windows(2)
            .last()
            .map_or(f64::INFINITY, |pair| pair[1].start - pair[0].end);
        verdict.promise_in_time(
            handed_over <= HANDED_OVER.as_secs_f64(),
            format!("a drain costs at most {HANDED_OVER:?}: {handed_over:.2} s"),
        );
        let most = kill_costs + LEASE + WAY_BACK;
        let longest = list(&found, "gaps").iter().map(length).fold(0.0, f64::max);
        verdict.promise_in_time(
            longest <= most.as_secs_f64(),
            format!("a gap is at most {most:?} long: {longest:.2} s"),
        );
        verdict
    }
}

/// An exported range.
struct Film {
    start: f64,
    end: f64,
    numbers: Vec<u32>,
}

/// Holds the numbers and the gaps against each other: within a film all numbers follow each other, and between two films lie
/// gaps from the end of one to the start of the next.
fn count(verdict: &mut Verdict, films: &[Film], gaps: &[Value]) {
    let (mut skipped, mut missing, mut unnamed, mut worst) = (0, 0, 0, 0.0_f64);
    for film in films {
        skipped += film.numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    }
    for pair in films.windows(2) {
        let (Some(last), Some(next)) = (pair[0].numbers.last(), pair[1].numbers.first()) else {
            unnamed += 1;
            continue;
        };
        let between = i64::from(*next) - i64::from(*last) - 1;
        missing += between.max(0);
        // A worker may take over between two pictures.
        let is_named = between == 0 || is_named(gaps, pair[0].end, pair[1].start);
        unnamed += usize::from(between < 0 || !is_named);
        let length = pair[1].start - pair[0].end;
        worst = worst.max((length - between as f64 / f64::from(FPS)).abs());
    }
    let recorded: usize = films.iter().map(|film| film.numbers.len()).sum();
    let sent = films.first().zip(films.last()).and_then(|(first, last)| {
        let (first, last) = (first.numbers.first()?, last.numbers.last()?);
        Some(i64::from(*last) - i64::from(*first) + 1)
    });
    let sent = sent.unwrap_or_default();
    verdict.promise(
        recorded > 0 && skipped == 0 && unnamed == 0 && recorded as i64 + missing == sent,
        format!(
            "{sent} pictures were sent, {recorded} are in {} films, {missing} in {} gaps; holes in films {skipped}, films with \
             no gap between them {unnamed}",
            films.len(),
            gaps.len()
        ),
    );
    verdict.promise_in_time(
        worst <= TOLERANCE.as_secs_f64(),
        format!("gaps are as long as the pictures that are missing in them, but for {TOLERANCE:?}: {worst:.2} s"),
    );
}

/// Whether gaps lead from one time to another without a hole.
fn is_named(gaps: &[Value], from: f64, to: f64) -> bool {
    let mut reached = from;
    for gap in gaps {
        // As milliseconds: neither side has more.
        if (seconds(&gap["start"]) - reached).abs() < 0.000_5 {
            reached = seconds(&gap["end"]);
        }
    }
    from < to && (reached - to).abs() < 0.000_5
}

fn list<'a>(found: &'a Value, name: &str) -> &'a [Value] {
    found[name].as_array().map_or(&[], Vec::as_slice)
}

fn seconds(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn length(gap: &Value) -> f64 {
    seconds(&gap["end"]) - seconds(&gap["start"])
}
