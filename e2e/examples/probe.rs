//! A worker process for the chaos cases: links no more than the queue, keeps a diary outside of Redis, and dies where
//! its tasks say.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use zoetrope_e2e::chaos::probe::{Dies, KIND, Point, ProbeInput, ProbeSettings};
use zoetrope_e2e::{Deed, Diary};
use zoetrope_queue::{
    Appended, Attempt, ConnectOptions, Handler, KindSlot, Outcome, Queue, SlotClass, Worker, WorkerConfig,
};

/// Pause before Redis is tried again at the start.
const CONNECT_PAUSE: Duration = Duration::from_millis(100);
/// A finish is on its way this long at most.
const IN_FLIGHT_MS: u64 = 4;

fn main() {
    let argument = std::env::args().nth(1).expect("settings as JSON");
    let settings: ProbeSettings = serde_json::from_str(&argument).expect("settings as JSON");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime should start");
    runtime.block_on(run(settings));
}

async fn run(settings: ProbeSettings) {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).expect("signals should be there");
    let probe = Arc::new(Probe {
        diary: Diary::open(&settings.dir),
        settings: settings.clone(),
    });
    let mut set = JoinSet::new();
    for number in 0..settings.workers {
        let (probe, settings, stop) = (Arc::clone(&probe), settings.clone(), stop.clone());
        set.spawn(async move {
            let queue = connected(&settings.redis).await;
            let worker = Worker::new(queue, config(&settings, number), probe);
            worker.run(stop).await
        });
    }
    if let Dies::AfterStart(ms) = settings.dies {
        drop(connected(&settings.redis).await);
        later(ms).await;
        std::process::abort();
    }
    loop {
        tokio::select! {
            biased;
            _ = terminate.recv() => {
                stop.cancel();
                if let Dies::InDrain(ms) = settings.dies {
                    later(ms).await;
                    std::process::abort();
                }
            }
            ended = set.join_next() => match ended {
                Some(ended) => drop(ended.expect("a worker should not panic")),
                None => return,
            }
        }
    }
}

async fn connected(url: &str) -> Queue {
    loop {
        match Queue::connect(ConnectOptions::new(url)).await {
            Ok(queue) => return queue,
            Err(error) if error.is_transient() => sleep_until(Instant::now() + CONNECT_PAUSE).await,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn later(ms: u64) {
    // Even a timer that is due waits for the next round of its runtime.
    if ms == 0 {
        return;
    }
    sleep_until(Instant::now() + Duration::from_millis(ms)).await;
}

fn config(settings: &ProbeSettings, number: usize) -> WorkerConfig {
    WorkerConfig {
        name: format!("probe-{number}-{}", std::process::id()),
        classes: vec![SlotClass {
            name: "io",
            units: settings.units,
            spread: false,
        }],
        kinds: vec![KindSlot {
            kind: KIND.to_owned(),
            class: 0,
            cost: 1,
            lease: Duration::from_millis(settings.lease_ms),
            claim_ahead: settings.claim_ahead,
        }],
        drain_grace: Duration::from_secs(5),
        handlers_on: None,
    }
}

struct Probe {
    diary: Diary,
    settings: ProbeSettings,
}

impl Handler for Probe {
    fn run(&self, attempt: Attempt) -> BoxFuture<'static, Outcome> {
        let input: ProbeInput = serde_json::from_str(attempt.input.get()).expect("tasks of these cases");
        let diary = self.diary.again();
        let fuse = Fuse {
            mark: self.settings.dir.join(format!("aborted-{}", attempt.id)),
            input: input.clone(),
        };
        Box::pin(async move {
            let (id, token) = (attempt.id.to_string(), Arc::clone(&attempt.lease_token));
            fuse.at(Point::Claimed);
            diary.note(&id, &token, Deed::Ran);
            fuse.at(Point::Begun);
            if input.hangs {
                return std::future::pending().await;
            }
            // Written to, or the kernel would only promise it.
            let eaten = vec![1_u8; usize::try_from(input.eats_mib << 20).expect("it fits an address")];
            if input.aborts == Some(Point::Working) {
                later(input.works_ms / 2).await;
                fuse.at(Point::Working);
            }
            later(input.works_ms).await;
            drop(std::hint::black_box(eaten));
            if input.writes {
                fuse.within(Point::Writing);
                write(&attempt, &diary, &id).await;
            }
            diary.note(&id, &token, Deed::Done);
            fuse.at(Point::Done);
            fuse.within(Point::Finishing);
            let result = format!("{{\"i\":{},\"token\":\"{token}\"}}", input.number);
            Outcome::Succeeded(RawValue::from_string(result).expect("JSON"))
        })
    }
}

async fn write(attempt: &Attempt, diary: &Diary, id: &str) {
    let chunk = RawValue::from_string("\"chunk\"".to_owned()).expect("JSON");
    let deed = match attempt.output().append(1, &chunk, None).await {
        Ok(Appended::Written | Appended::Duplicate) => Deed::Wrote,
        Ok(Appended::LeaseLost) => Deed::Refused,
        // Nobody knows, so that nothing is noted.
        Err(_) => return,
    };
    diary.note(id, &attempt.lease_token, deed);
}

/// Ends the process where the task says.
struct Fuse {
    mark: std::path::PathBuf,
    input: ProbeInput,
}

impl Fuse {
    fn at(&self, point: Point) {
        if self.burns(point) {
            std::process::abort();
        }
    }

    /// A moment later, from a thread of its own, so that it hits whatever is under way.
    fn within(&self, point: Point) {
        if self.burns(point) {
            let micros = self.input.number * 7_919 % (IN_FLIGHT_MS * 1_000);
            std::thread::spawn(move || {
                std::thread::park_timeout(Duration::from_micros(micros));
                std::process::abort();
            });
        }
    }

    fn burns(&self, point: Point) -> bool {
        self.input.aborts == Some(point)
            && (self.input.poison || File::options().create_new(true).write(true).open(&self.mark).is_ok())
    }
}
