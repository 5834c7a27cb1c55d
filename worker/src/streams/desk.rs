//! Link 3: windows on their way to being scenes where a model describes them. One is described at a time and one waits,
//! the newest: what it replaces is left to the local describer. Scenes leave in the order of their windows.

use std::collections::VecDeque;

use futures_util::future::BoxFuture;
use zoetrope_shared::tasks::image_analysis::Described;
use zoetrope_shared::tasks::stream_ingest::WhyLocal;
use zoetrope_shared::usage::FellBack;

use super::purse::Purse;
use super::shutter::MAX_PICTURES;
use super::windows::Shot;

/// Pictures that are remembered for windows in which nothing new is seen.
const MAX_RECENT: usize = 2 * MAX_PICTURES;
/// What of an answer goes with the next question, characters.
const MAX_PREVIOUS_CHARS: usize = 1_000;

/// What a model is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The window's pictures, oldest first; at least one.
    pub shots: Vec<Shot>,
    /// What was said of the window before; may be empty.
    pub previous: String,
}

/// What came of a question.
#[derive(Debug)]
pub struct Told {
    /// The description, or who was asked in vain.
    pub answer: Result<Box<Described>, Vec<FellBack>>,
    /// What the stream's budget pays for it, US dollars: what it cost, or may have cost.
    pub usd: f64,
}

/// Who describes a window.
#[derive(Debug)]
pub enum Author {
    /// A model.
    Model(Box<Described>),
    /// The local describer.
    Local(WhyLocal, Vec<FellBack>),
}

/// Puts a question to a model; its future ends within a bounded time.
pub type Ask = Box<dyn Fn(Question) -> BoxFuture<'static, Told> + Send + Sync>;

/// The windows between their end and their scene. `Draft` is what is known of one without a model.
pub struct Desk<Draft> {
    ask: Ask,
    purse: Option<Purse>,
    places: VecDeque<Place<Draft>>,
    /// The answer to the question about the window that is asked about.
    answer: Option<BoxFuture<'static, Told>>,
    /// Times of the newest pictures: that a model has described, and that one is being asked about.
    shown_ms: Option<u64>,
    asked_ms: Option<u64>,
    recent: VecDeque<Shot>,
    previous: String,
}

struct Place<Draft> {
    draft: Draft,
    stage: Stage,
}

enum Stage {
    /// It waits for the model.
    Waiting { shots: Vec<Shot>, end_ms: u64 },
    /// The model is asked.
    Asked,
    /// It is described.
    Done(Author),
}

impl<Draft> Desk<Draft> {
    /// An empty desk; `previous` is what a model said last of this stream.
    pub fn new(ask: Ask, purse: Option<Purse>, previous: &str) -> Self {
        Self {
            ask,
            purse,
            places: VecDeque::new(),
            answer: None,
            shown_ms: None,
            asked_ms: None,
            recent: VecDeque::new(),
            previous: shortened(previous),
        }
    }

    /// Notes a picture, oldest first.
    pub fn saw(&mut self, shot: Shot) {
        self.recent.push_back(shot);
        if self.recent.len() > MAX_RECENT {
            self.recent.pop_front();
        }
    }

    /// Takes a window that has ended, with its pictures.
    pub fn admit(&mut self, draft: Draft, end_ms: u64, mut shots: Vec<Shot>) {
        while self.recent.get(1).is_some_and(|next| next.t_ms < end_ms) {
            self.recent.pop_front();
        }
        if shots.is_empty() {
            // What it shows is what was new last.
            shots.extend(self.recent.front().filter(|shot| shot.t_ms < end_ms).cloned());
        }
        shots.drain(..shots.len().saturating_sub(MAX_PICTURES));
        let stage = if newest(&shots) > self.shown_ms {
            self.make_room();
            Stage::Waiting { shots, end_ms }
        } else {
            Stage::Done(Author::Local(WhyLocal::Still, Vec::new()))
        };
        self.places.push_back(Place { draft, stage });
        self.ask_next();
    }

    /// Whether a model is being asked.
    pub fn is_busy(&self) -> bool {
        self.answer.is_some()
    }

    /// Returns when a model has answered, or will not; never while none is asked. Cancel safe.
    pub async fn told(&mut self) {
        let Some(answer) = &mut self.answer else {
            return std::future::pending().await;
        };
        let told = answer.await;
        self.answer = None;
        if let Some(purse) = &mut self.purse {
            purse.pay(told.usd);
        }
        let asked_ms = self.asked_ms.take();
        let author = match told.answer {
            Ok(described) => {
                self.shown_ms = self.shown_ms.max(asked_ms);
                self.previous = shortened(&described.text);
                Author::Model(described)
            }
            Err(fell_back) => Author::Local(WhyLocal::Failed, fell_back),
        };
        let is_asked = |place: &&mut Place<Draft>| matches!(place.stage, Stage::Asked);
        if let Some(place) = self.places.iter_mut().find(is_asked) {
            place.stage = Stage::Done(author);
        }
        self.ask_next();
    }

    /// The next window whose author is known, and that none stands before.
    pub fn next_done(&mut self) -> Option<(Draft, Author)> {
        let Place { draft, stage } = self.places.pop_front()?;
        match stage {
            Stage::Done(author) => Some((draft, author)),
            stage => {
                self.places.push_front(Place { draft, stage });
                None
            }
        }
    }

    /// Whoever waits gives way to a newer window.
    fn make_room(&mut self) {
        for place in &mut self.places {
            if let Stage::Waiting { shots, .. } = &place.stage {
                let is_new = newest(shots) > self.shown_ms.max(self.asked_ms);
                let why = if is_new { WhyLocal::Replaced } else { WhyLocal::Still };
                place.stage = Stage::Done(Author::Local(why, Vec::new()));
            }
        }
    }

    /// Asks about the window that waits, unless one is asked about, or it is not worth it any more.
    fn ask_next(&mut self) {
        if self.answer.is_some() {
            return;
        }
        let is_waiting = |place: &&mut Place<Draft>| matches!(place.stage, Stage::Waiting { .. });
        let Some(place) = self.places.iter_mut().find(is_waiting) else {
            return;
        };
        let Stage::Waiting { shots, end_ms } = std::mem::replace(&mut place.stage, Stage::Asked) else {
            return;
        };
        let local = |why| Stage::Done(Author::Local(why, Vec::new()));
        if newest(&shots) <= self.shown_ms {
            place.stage = local(WhyLocal::Still);
        } else if self.purse.as_mut().is_some_and(|purse| !purse.may_pay(end_ms)) {
            place.stage = local(WhyLocal::OverBudget);
        } else {
            self.asked_ms = newest(&shots);
            let previous = self.previous.clone();
            self.answer = Some((self.ask)(Question { shots, previous }));
        }
    }
}

fn newest(shots: &[Shot]) -> Option<u64> {
    shots.last().map(|shot| shot.t_ms)
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_PREVIOUS_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use tokio::sync::oneshot;
    use zoetrope_shared::usage::Usage;

    use super::*;

    type Asked = (Question, oneshot::Sender<Told>);

    /// A model that answers when the test says so.
    #[derive(Clone, Default)]
    struct Model(Arc<Mutex<Vec<Asked>>>);

    impl Model {
        fn desk(&self, purse: Option<Purse>) -> Desk<u64> {
            let asked = self.0.clone();
            let ask = move |question| -> BoxFuture<'static, Told> {
                let (answer, told) = oneshot::channel();
                asked.lock().expect("no holder panics").push((question, answer));
                Box::pin(async move { told.await.expect("the test answers") })
            };
            Desk::new(Box::new(ask), purse, "")
        }

        /// The times of the pictures of every question that is not answered.
        fn asked(&self) -> Vec<Vec<u64>> {
            let asked = self.0.lock().expect("no holder panics");
            let times = |question: &Question| question.shots.iter().map(|shot| shot.t_ms).collect();
            asked.iter().map(|(question, _)| times(question)).collect()
        }

        /// Answers the only question; what went with it.
        async fn answers(&self, desk: &mut Desk<u64>, answer: Result<&str, &str>) -> String {
            let (question, reply) = self.0.lock().expect("no holder panics").pop().expect("it was asked");
            let described = |text: &str| {
                Box::new(Described {
                    text: text.to_owned(),
                    structured: None,
                    provider: "openai".to_owned(),
                    model: "m".to_owned(),
                    fell_back: Vec::new(),
                    usage: Usage::default(),
                })
            };
            let failed = |code: &str| {
                vec![FellBack {
                    provider: "openai".to_owned(),
                    code: code.to_owned(),
                }]
            };
            let told = Told {
                answer: answer.map(described).map_err(failed),
                usd: 0.01,
            };
            reply.send(told).expect("the desk waits");
            desk.told().await;
            question.previous
        }
    }

    fn shot(t_ms: u64) -> Shot {
        Shot {
            t_ms,
            jpeg: Bytes::new(),
        }
    }

    /// A window of a second that ends at `end`, with a picture from its middle or none.
    fn admit(desk: &mut Desk<u64>, end: u64, is_new: bool) {
        let taken: Vec<Shot> = is_new.then(|| shot(end - 500)).into_iter().collect();
        taken.iter().for_each(|shot| desk.saw(shot.clone()));
        desk.admit(end, end, taken);
    }

    fn done(desk: &mut Desk<u64>) -> Vec<(u64, String)> {
        std::iter::from_fn(|| desk.next_done())
            .map(|(end, author)| match author {
                Author::Model(described) => (end, described.text),
                Author::Local(why, _) => (end, why.as_str().to_owned()),
            })
            .collect()
    }

    fn said(words: &[(u64, &str)]) -> Vec<(u64, String)> {
        words.iter().map(|(end, word)| (*end, (*word).to_owned())).collect()
    }

    #[tokio::test]
    async fn a_busy_model_gets_only_the_latest_window_and_scenes_stay_in_order() {
        let model = Model::default();
        let mut desk = model.desk(None);
        for end in [1_000, 2_000, 3_000, 4_000] {
            admit(&mut desk, end, true);
        }
        assert_eq!(model.asked(), [[500]], "one question at a time");
        assert_eq!(done(&mut desk), [], "nobody overtakes the first");
        model.answers(&mut desk, Ok("one")).await;
        assert_eq!(
            done(&mut desk),
            said(&[(1_000, "one"), (2_000, "replaced"), (3_000, "replaced")])
        );
        assert_eq!(model.asked(), [[3_500]]);
        assert_eq!(
            model.answers(&mut desk, Ok("four")).await,
            "one",
            "what was said before goes along"
        );
        assert_eq!(done(&mut desk), said(&[(4_000, "four")]));
        assert!(!desk.is_busy());
    }

    #[tokio::test]
    async fn what_shows_nothing_new_is_not_asked_about_until_it_has_to_be() {
        let model = Model::default();
        let mut desk = model.desk(None);
        admit(&mut desk, 1_000, true);
        admit(&mut desk, 2_000, false);
        admit(&mut desk, 3_000, false);
        model.answers(&mut desk, Err("provider_unavailable")).await;
        assert_eq!(done(&mut desk), said(&[(1_000, "failed"), (2_000, "still")]));
        assert_eq!(
            model.asked(),
            [[500]],
            "what a failed question was about is asked again with the next window"
        );
        model.answers(&mut desk, Ok("seen")).await;
        admit(&mut desk, 4_000, false);
        assert_eq!(done(&mut desk), said(&[(3_000, "seen"), (4_000, "still")]));
        assert!(!desk.is_busy());
    }

    #[tokio::test]
    async fn a_picture_from_between_two_windows_is_shown_with_the_next() {
        let model = Model::default();
        let mut desk = model.desk(None);
        for t_ms in [100, 200, 300, 900] {
            desk.saw(shot(t_ms));
        }
        desk.admit(1, 800, Vec::new());
        assert_eq!(model.asked(), [[300]], "the newest before its end");
        model.answers(&mut desk, Ok("one")).await;
        desk.admit(2, 1_800, Vec::new());
        assert_eq!(model.asked(), [[900]]);
    }

    #[tokio::test]
    async fn windows_that_cannot_be_paid_for_are_described_locally() {
        let model = Model::default();
        // A cent takes a little more than 2 s.
        let mut desk = model.desk(Some(Purse::new(16.2, 0, 0.0)));
        for end in [1_000, 2_000, 3_000, 4_000, 5_000] {
            admit(&mut desk, end, true);
            if desk.is_busy() {
                model.answers(&mut desk, Ok("paid")).await;
            }
        }
        let words: Vec<String> = done(&mut desk).into_iter().map(|(_, word)| word).collect();
        assert_eq!(words, ["paid", "over_budget", "paid", "over_budget", "paid"]);
    }

    #[tokio::test]
    async fn a_question_has_no_more_pictures_than_a_model_takes() {
        let model = Model::default();
        let mut desk = model.desk(None);
        desk.admit(1, 40_000, (0..40).map(|n| shot(n * 1_000)).collect());
        let asked = model.asked().remove(0);
        assert_eq!(
            (asked.len(), asked.first(), asked.last()),
            (MAX_PICTURES, Some(&24_000), Some(&39_000))
        );
    }
}
