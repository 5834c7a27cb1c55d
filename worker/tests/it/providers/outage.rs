//! A provider that gets worse and worse, and well again, as a minute of calls meets it; by injected time, without network.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use zoetrope_worker::providers::calls::{CallPolicy, Candidate};
use zoetrope_worker::providers::capability::{Ask, Call, Engine, Pieces, TextModel, Written};
use zoetrope_worker::providers::catalogue::{Capability, Model};
use zoetrope_worker::providers::configured::Providers;
use zoetrope_worker::providers::fault::{Class, Fault};
use zoetrope_worker::providers::http::HttpLimits;

use super::cases;

const SECOND: Duration = Duration::from_secs(1);

/// 429 for 10 s, 500 for 10 s, then it hangs for 20 s, then it is well.
#[derive(Debug)]
struct Moody {
    since: Instant,
    calls: AtomicUsize,
    /// How long its 429 asks to wait; `None`: it does not say.
    named: Option<Duration>,
}

/// Always well.
#[derive(Debug)]
struct Steady;

fn answer(model: &Model) -> Written {
    Written {
        text: "Done.".to_owned(),
        model: model.name.clone(),
        ..Written::default()
    }
}

impl Engine for Moody {
    fn provider(&self) -> &'static str {
        "openai"
    }

    fn address(&self) -> (String, u16) {
        ("moody.test".to_owned(), 443)
    }
}

impl TextModel for Moody {
    fn write<'a>(&'a self, _: &'a Ask, model: &'a Model, _: &'a Pieces) -> Call<'a, Written> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let limited = self.named.map_or(Class::Backoff, Class::RetryAfter);
        Box::pin(async move {
            match self.since.elapsed().as_secs() {
                0..10 => Err(Fault::new("openai", limited, "answered 429")),
                10..20 => Err(Fault::new("openai", Class::Backoff, "answered 500")),
                20..40 => std::future::pending().await,
                _ => Ok(answer(model)),
            }
        })
    }
}

impl Engine for Steady {
    fn provider(&self) -> &'static str {
        "anthropic"
    }

    fn address(&self) -> (String, u16) {
        ("steady.test".to_owned(), 443)
    }
}

impl TextModel for Steady {
    fn write<'a>(&'a self, _: &'a Ask, model: &'a Model, _: &'a Pieces) -> Call<'a, Written> {
        Box::pin(async move { Ok(answer(model)) })
    }
}

/// Who answered each of the questions that came, four a second for two minutes; how long the slowest took; calls.
struct Told {
    by: Vec<&'static str>,
    slowest: Duration,
    calls: usize,
}

async fn two_minutes(named: Option<Duration>) -> Told {
    let begin = Instant::now();
    let moody = Arc::new(Moody {
        since: begin,
        calls: AtomicUsize::new(0),
        named,
    });
    let engines: [Arc<dyn TextModel>; 2] = [moody.clone(), Arc::new(Steady)];
    let model = |engine: &Arc<dyn TextModel>| Model::unlisted(engine.provider(), "m");
    let candidates: Arc<[Candidate<dyn TextModel>]> = engines
        .iter()
        .map(|engine| Candidate {
            engine: engine.clone(),
            model: model(engine),
        })
        .collect();
    let policy = CallPolicy {
        deadline: 10 * SECOND,
        ..CallPolicy::default()
    };
    let settings = cases::no_settings();
    let providers = Providers::open_with(&settings, cases::metrics(), policy, HttpLimits::default());
    let caller = providers.expect("the settings are usable").caller;
    let mut asking = JoinSet::new();
    for question in 0..480_u32 {
        sleep_until(begin + question * SECOND / 4).await;
        let (caller, candidates) = (caller.clone(), candidates.clone());
        asking.spawn(async move {
            let (asked, ask, nowhere) = (Instant::now(), cases::question(), Pieces::nowhere());
            let answered = caller.first_answer(Capability::Text, &candidates, &nowhere, |candidate| {
                candidate.engine.write(&ask, &candidate.model, &nowhere)
            });
            let answered = answered.await.unwrap_or_else(|unanswered| panic!("{unanswered:?}"));
            (question, answered.provider, asked.elapsed())
        });
    }
    let mut told = asking.join_all().await;
    told.sort_unstable();
    Told {
        by: told.iter().map(|(_, provider, _)| *provider).collect(),
        slowest: told.iter().map(|(_, _, took)| *took).max().unwrap_or_default(),
        calls: moody.calls.load(Ordering::SeqCst),
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_provider_limits_fails_and_hangs_every_question_is_answered_by_the_next_and_few_calls_are_made() {
    let told = two_minutes(None).await;
    assert_eq!(told.by.len(), 480);
    let ill = &told.by[..160];
    assert!(ill.iter().all(|provider| *provider == "anthropic"), "{ill:?}");
    // The circuit opens after five outages and for longer each time: in 40 s of illness one call tries after 10 s, one
    // after 20 s more, and both fail. In flight when it opens are at most those of the second and a half of retries.
    let well = told.by.iter().filter(|provider| **provider == "openai").count();
    let while_ill = told.calls - well;
    assert!((7..=20).contains(&while_ill), "{while_ill} calls");
    assert_eq!(told.by[479], "openai", "a call that tries finds it well again");
    assert!(told.slowest <= 12 * SECOND, "{:?}", told.slowest);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_names_its_pauses_is_not_called_before_they_are_over() {
    let told = two_minutes(Some(5 * SECOND)).await;
    assert!(
        told.by[..160]
            .iter()
            .all(|provider| *provider == "anthropic" || *provider == "openai")
    );
    // Three calls for each of the first 40 questions at the most, then five outages and the tries.
    assert!(
        told.calls - told.by.iter().filter(|provider| **provider == "openai").count() <= 3 * 40 + 20,
        "{}",
        told.calls
    );
    assert_eq!(told.by[479], "openai");
    assert!(told.slowest <= 22 * SECOND, "{:?}", told.slowest);
}
