//! Asks a vision model about one window: whom, with which words, how long it may take, what it may cost. Whatever goes
//! wrong is an answer too, and a stream goes on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use zoetrope_queue::Failure;
use zoetrope_shared::tasks::image_analysis::Described;
use zoetrope_shared::tasks::stream_ingest::{LOCAL, Scene, StreamIngestInput};
use zoetrope_shared::usage::FellBack;

use super::desk::{Ask, Desk, Question, Told};
use super::purse::Purse;
use crate::providers::calls::{CallPolicy, Caller, Unanswered};
use crate::providers::capability::{self, Picture, Pieces, VisionModel};
use crate::providers::catalogue::Capability;
use crate::providers::configured::{AUTO, Chain, Wanted, not_configured};
use crate::providers::fault::{Class, LIMIT_REACHED, NO_SEAT, UNPRICED};
use crate::services::Services;
use crate::writing::prompt;
use crate::writing::rounds;
use crate::writing::structured::Form;
use crate::writing::templates::Templates;

/// Most tokens of a description.
const MAX_OUTPUT_TOKENS: u32 = 1_024;
/// Longest description, characters, and largest JSON, bytes: a scene is a chunk of output, with its text and counts.
const MAX_TEXT_CHARS: usize = 4_096;
const MAX_JSON_BYTES: usize = 12 * 1024;
/// How long a description of a live window may take, all providers together: twice its hop, within these. The scenes of
/// the windows after it wait as long.
const LIVE_PATIENCE: (Duration, Duration) = (Duration::from_secs(20), Duration::from_mins(1));
/// How long a live window waits for a seat, or for its turn within our own limits: the next one is newer.
const LIVE_WAIT: Duration = Duration::from_secs(2);
/// How long a description of a video's window may take: it waits its turn as a task would.
const FILM_PATIENCE: Duration = Duration::from_mins(5);
/// Code of a description that does not fit into a scene.
const TOO_LARGE: &str = "provider_answer_too_large";
/// Code of a description that took too long.
const TIMEOUT: &str = "provider_timeout";

/// How a stream is described by models.
pub struct Narrator {
    templates: Templates,
    caller: Caller,
    chain: Chain<dyn VisionModel>,
    /// Why nobody can be asked.
    nobody: Option<FellBack>,
    prompt: String,
    form: Option<Form>,
    patience: Duration,
    /// Waits for its turn, as nothing is live.
    waits: bool,
}

impl Narrator {
    /// Whoever the input wants; `None` where nobody is. A live stream has the time from one window to the next.
    ///
    /// # Errors
    /// When nobody can be asked from the start: `provider_not_configured`, `model_unpriced`, `input_invalid`. A stream that
    /// has scenes goes on without, and says why in each.
    pub fn of(
        services: &Services,
        input: &StreamIngestInput,
        live_hop: Option<Duration>,
        last: Option<&Scene>,
    ) -> Result<Option<Self>, Failure> {
        if !input.wants_model() {
            return Ok(None);
        }
        let provider = input.provider.as_deref().unwrap_or(AUTO);
        let form = input.schema.as_ref().map(Form::new).transpose()?;
        let (chain, nobody) = match chain(services, input, provider) {
            Ok(chain) if chain.candidates.is_empty() && !input.is_asking() => return Ok(None),
            Ok(chain) => (chain, None),
            Err(failure) if last.is_none() => return Err(failure),
            Err(failure) => (nobody_of(), Some(fell_back(provider, failure))),
        };
        let (patience, policy) = patience(live_hop, chain.candidates.len());
        Ok(Some(Self {
            templates: services.templates.clone(),
            caller: services.providers.caller.with_patience(policy),
            chain,
            nobody,
            prompt: input.prompt.clone().unwrap_or_default(),
            form,
            patience,
            waits: live_hop.is_none(),
        }))
    }

    /// The desk of a stream that goes on after this scene.
    pub fn desk<Draft>(self, budget_usd_per_hour: Option<f64>, last: Option<&Scene>) -> Desk<Draft> {
        let purse = budget_usd_per_hour.map(|usd| {
            let (at_ms, spent) = last.map_or((0, 0.0), |scene| (scene.end_ms, scene.totals.model.cost_usd));
            Purse::new(usd, at_ms, spent)
        });
        let by_model = last.filter(|scene| scene.provider != LOCAL);
        let previous = by_model.map_or("", |scene| scene.description.as_str());
        let narrator = Arc::new(self);
        let ask: Ask = Box::new(move |question| {
            let narrator = Arc::clone(&narrator);
            Box::pin(async move { narrator.tell(&question).await })
        });
        Desk::new(ask, purse, previous)
    }

    /// Asks. A video's window waits while the provider is crowded.
    async fn tell(&self, question: &Question) -> Told {
        let deadline = Instant::now() + self.patience;
        if let Some(nobody) = &self.nobody {
            return told_nothing(vec![nobody.clone()], 0.0);
        }
        loop {
            let (told, again) = self.ask(question, deadline).await;
            let again = again.filter(|pause| self.waits && Instant::now() + *pause < deadline);
            let Some(pause) = again else { return told };
            tokio::time::sleep(pause).await;
        }
    }

    /// Asks once; the pause after which there may be room, if there was none.
    async fn ask(&self, question: &Question, deadline: Instant) -> (Told, Option<Duration>) {
        let ask = match self.question(question) {
            Ok(ask) => ask,
            Err(failure) => return (told_nothing(vec![self.blamed(failure)], 0.0), None),
        };
        let most_usd = self.most_usd(&ask);
        let nowhere = Pieces::nowhere();
        let form = self.form.as_ref();
        let answered = rounds::answer(
            &self.caller,
            Capability::Vision,
            &self.chain,
            ask,
            form,
            &nowhere,
            rounds::look,
        );
        let Ok(answered) = timeout_at(deadline, answered).await else {
            return (told_nothing(vec![self.first(TIMEOUT)], most_usd), None);
        };
        match answered {
            // Answers that do not fit are paid for too.
            Err(failure) => (told_nothing(vec![self.blamed(failure)], most_usd), None),
            Ok(Err(unanswered)) => self.unanswered(unanswered, most_usd),
            Ok(Ok(by_model)) => {
                let described = Described::from(by_model);
                let usd = described.usage.cost_usd.unwrap_or(0.0);
                (self.fitting(described, usd), None)
            }
        }
    }

    fn question(&self, question: &Question) -> Result<capability::Ask, Failure> {
        let t_ms: Vec<u64> = question.shots.iter().map(|shot| shot.t_ms).collect();
        let scene = prompt::Scene {
            count: t_ms.len(),
            t_ms: &t_ms,
            prompt: &self.prompt,
            previous: &question.previous,
        };
        let picture = |jpeg| Picture {
            content_type: "image/jpeg",
            bytes: jpeg,
        };
        let ask = prompt::describe(&self.templates, &scene, self.form.as_ref().map(Form::schema))?;
        Ok(capability::Ask {
            pictures: question.shots.iter().map(|shot| picture(shot.jpeg.clone())).collect(),
            max_output_tokens: MAX_OUTPUT_TOKENS,
            ..ask
        })
    }

    /// What an answer may cost at the most, as far as that is known.
    fn most_usd(&self, ask: &capability::Ask) -> f64 {
        let expected = ask.matter(false).expected;
        let costs = self.chain.candidates.iter();
        let costs = costs.filter_map(|candidate| self.caller.cost_of(candidate, &expected));
        costs.fold(0.0, f64::max)
    }

    fn unanswered(&self, unanswered: Unanswered, most_usd: f64) -> (Told, Option<Duration>) {
        let fault = unanswered.fault.as_ref();
        let again = fault.and_then(|fault| match fault.class {
            Class::RetryAfter(pause) if [LIMIT_REACHED, NO_SEAT].contains(&fault.code) => Some(pause),
            _ => None,
        });
        // Whoever was too slow may still send a bill.
        let was_late = unanswered.fell_back.iter().any(|fell_back| fell_back.code == TIMEOUT);
        let usd = if was_late { most_usd } else { 0.0 };
        (told_nothing(unanswered.fell_back, usd), again)
    }

    /// What was said, as long as a scene may be.
    fn fitting(&self, mut described: Described, usd: f64) -> Told {
        let json = described.structured.as_ref().map(ToString::to_string);
        if json.is_some_and(|json| json.len() > MAX_JSON_BYTES) {
            return told_nothing(vec![self.first(TOO_LARGE)], usd);
        }
        let is_plain = |c: &char| !c.is_control() || *c == '\n' || *c == '\t';
        described.text = described.text.chars().filter(is_plain).take(MAX_TEXT_CHARS).collect();
        Told {
            answer: Ok(Box::new(described)),
            usd,
        }
    }

    fn first(&self, code: &str) -> FellBack {
        let first = self.chain.candidates.first();
        FellBack {
            provider: first.map_or(AUTO, |first| first.engine.provider()).to_owned(),
            code: code.to_owned(),
        }
    }

    fn blamed(&self, failure: Failure) -> FellBack {
        FellBack {
            provider: failure.provider.unwrap_or_else(|| self.first("").provider),
            code: failure.code,
        }
    }
}

/// How long a description may take, and how the calls for it are made.
fn patience(live_hop: Option<Duration>, candidates: usize) -> (Duration, CallPolicy) {
    let Some(hop) = live_hop else {
        return (FILM_PATIENCE, CallPolicy::default());
    };
    let (shortest, longest) = LIVE_PATIENCE;
    let patience = (hop * 2).clamp(shortest, longest);
    let policy = CallPolicy {
        calls: 2,
        max_pause: LIVE_WAIT,
        max_wait: LIVE_WAIT,
        // Whoever hangs leaves time for the next.
        deadline: if candidates > 1 { patience / 2 } else { patience },
        ..CallPolicy::default()
    };
    (patience, policy)
}

/// Who is asked. Where there is a budget only models whose price is known are: nobody could keep it with others.
fn chain(services: &Services, input: &StreamIngestInput, provider: &str) -> Result<Chain<dyn VisionModel>, Failure> {
    let providers = &services.providers;
    let wanted = Wanted {
        provider,
        model: input.model.as_deref(),
        fallback: &input.fallback,
        local: Some(LOCAL),
    };
    let mut chain = providers.chain(Capability::Vision, &providers.vision, wanted)?;
    if chain.candidates.is_empty() && input.is_asking() {
        return Err(not_configured(Capability::Vision, None, &providers.vision));
    }
    if input.budget_usd_per_hour.is_some() && !chain.candidates.is_empty() {
        chain
            .candidates
            .retain(|candidate| providers.caller.knows_price(candidate));
        if chain.candidates.is_empty() {
            let message = "a budget can be kept with models of a known price only: put the model's into MODELS_FILE";
            return Err(Failure::non_retryable(UNPRICED, message));
        }
    }
    Ok(chain)
}

fn nobody_of() -> Chain<dyn VisionModel> {
    Chain {
        candidates: Vec::new(),
        ends_local: true,
    }
}

fn fell_back(provider: &str, failure: Failure) -> FellBack {
    FellBack {
        provider: provider.to_owned(),
        code: failure.code,
    }
}

fn told_nothing(fell_back: Vec<FellBack>, usd: f64) -> Told {
    Told {
        answer: Err(fell_back),
        usd,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use bytes::Bytes;
    use zoetrope_shared::config::{Settings, Sources};

    use super::*;
    use crate::metrics::Metrics;
    use crate::providers::calls::Candidate;
    use crate::providers::capability::{Call, Engine, Written};
    use crate::providers::catalogue::Model;
    use crate::providers::configured::Providers;
    use crate::providers::fault::Fault;
    use crate::streams::windows::Shot;

    /// What a provider does at a call, counted from 0.
    type Does = fn(u32) -> Call<'static, Written>;

    #[derive(Debug)]
    struct Scripted(&'static str, Does, AtomicU32);

    impl Engine for Scripted {
        fn provider(&self) -> &'static str {
            self.0
        }

        fn address(&self) -> (String, u16) {
            ("localhost".to_owned(), 1)
        }
    }

    impl VisionModel for Scripted {
        fn look<'a>(&'a self, _: &'a capability::Ask, _: &'a Model, _: &'a Pieces) -> Call<'a, Written> {
            self.1(self.2.fetch_add(1, Ordering::SeqCst))
        }
    }

    fn hangs(_: u32) -> Call<'static, Written> {
        Box::pin(std::future::pending())
    }

    fn answers(_: u32) -> Call<'static, Written> {
        let text = "A gate\u{7} opens.".to_owned() + &" Then it shuts.".repeat(1_000);
        Box::pin(async {
            Ok(Written {
                text,
                ..Written::default()
            })
        })
    }

    fn is_full_twice(call: u32) -> Call<'static, Written> {
        match call {
            0 | 1 => Box::pin(async { Err(Fault::no_seat("openai", Duration::from_secs(3))) }),
            _ => answers(call),
        }
    }

    fn narrator(live_hop: Option<Duration>, providers: &[(&'static str, Does)]) -> Narrator {
        let settings = Settings::from_sources(&Sources::default()).expect("the defaults are valid");
        let metrics = Metrics::new().expect("the names are valid");
        let known = Providers::open(&settings.providers, metrics).expect("no provider is set");
        let candidate = |(name, does): &(&'static str, Does)| Candidate {
            engine: Arc::new(Scripted(name, *does, AtomicU32::new(0))) as Arc<dyn VisionModel>,
            model: Model {
                output_usd: Some(1.0),
                ..Model::unlisted(name, "m")
            },
        };
        let (patience, policy) = patience(live_hop, providers.len());
        Narrator {
            templates: Templates::open(None).expect("the built-in templates are valid"),
            caller: known.caller.with_patience(policy),
            chain: Chain {
                candidates: providers.iter().map(candidate).collect(),
                ends_local: true,
            },
            nobody: None,
            prompt: "What does the gate do?".to_owned(),
            form: None,
            patience,
            waits: live_hop.is_none(),
        }
    }

    async fn told(narrator: &Narrator) -> (Told, Duration) {
        let shot = Shot {
            t_ms: 0,
            jpeg: Bytes::from_static(b"jpeg"),
        };
        let question = Question {
            shots: vec![shot],
            previous: String::new(),
        };
        let began = Instant::now();
        let told = narrator.tell(&question).await;
        (told, began.elapsed())
    }

    fn codes(told: &Told) -> Vec<(&str, &str)> {
        let fell_back = match &told.answer {
            Ok(described) => &described.fell_back,
            Err(fell_back) => fell_back,
        };
        fell_back
            .iter()
            .map(|it| (it.provider.as_str(), it.code.as_str()))
            .collect()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_model_that_hangs_is_left_after_twice_the_hop_within_bounds_and_may_still_send_its_bill() {
        for (hop, longest) in [(1, 20), (15, 30), (600, 60)] {
            let (told, took) = told(&narrator(Some(SECOND * hop), &[("openai", hangs)])).await;
            assert_eq!(codes(&told), [("openai", TIMEOUT)]);
            assert!(told.answer.is_err() && told.usd > 0.001, "{told:?}");
            assert_eq!(took.as_secs(), longest, "a hop of {hop} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_hangs_leaves_half_of_the_time_to_the_next_and_a_long_answer_is_cut() {
        let providers: [(&str, Does); 2] = [("openai", hangs), ("gemini", answers)];
        let (told, took) = told(&narrator(Some(SECOND), &providers)).await;
        assert_eq!((codes(&told), took.as_secs()), (vec![("openai", TIMEOUT)], 10));
        let described = told.answer.expect("the second answers");
        assert!(
            described.text.starts_with("A gate opens."),
            "without what a terminal obeys"
        );
        assert_eq!(
            (described.provider.as_str(), described.text.chars().count()),
            ("gemini", MAX_TEXT_CHARS)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_video_waits_for_a_seat_and_a_live_window_does_not() {
        let (live, _) = told(&narrator(Some(SECOND), &[("openai", is_full_twice)])).await;
        assert_eq!((codes(&live), live.usd), (vec![("openai", NO_SEAT)], 0.0));
        let (film, took) = told(&narrator(None, &[("openai", is_full_twice)])).await;
        assert!(film.answer.is_ok(), "{film:?}");
        assert_eq!(took.as_secs(), 6);
    }
}
