//! Asking models until the answer has its form: one round, and one more in which they are told what was wrong.

use serde_json::Value;
use zoetrope_queue::Failure;
use zoetrope_shared::tasks::image_analysis::Described;
use zoetrope_shared::usage::{FellBack, Usage};

use super::structured::{self, Form};
use crate::providers::calls::{Answered, Caller, Candidate, Unanswered};
use crate::providers::capability::{Ask, Call, Engine, Finish, Pieces, TextModel, Turn, VisionModel, Written};
use crate::providers::catalogue::Capability;
use crate::providers::configured::Chain;

/// How a candidate of a capability is asked.
pub type AskOne<T> = for<'a> fn(&'a Candidate<T>, &'a Ask, &'a Pieces) -> Call<'a, Written>;

/// What was written by a model, in one or two rounds.
#[derive(Debug)]
pub struct ByModel {
    /// The last answer, with what all rounds used.
    pub written: Written,
    /// The answer as JSON, where it has a form.
    pub structured: Option<Value>,
    /// Who answered.
    pub provider: &'static str,
    /// Who was asked in vain before.
    pub fell_back: Vec<FellBack>,
}

impl From<ByModel> for Described {
    /// The answer as a description: the JSON as text where it has a form.
    fn from(by_model: ByModel) -> Self {
        let text = match &by_model.structured {
            Some(value) => value.to_string(),
            None => by_model.written.text.trim().to_owned(),
        };
        Self {
            text,
            structured: by_model.structured,
            provider: by_model.provider.to_owned(),
            model: by_model.written.model,
            fell_back: by_model.fell_back,
            usage: by_model.written.usage,
        }
    }
}

/// The answer of the first who gives one; pieces of it go to `pieces` as they come.
///
/// # Errors
/// `output_invalid` and `output_truncated` for answers without their form. That nobody answered is the inner error: it
/// may still be done locally.
pub async fn answer<T: Engine + ?Sized>(
    caller: &Caller,
    capability: Capability,
    chain: &Chain<T>,
    mut ask: Ask,
    form: Option<&Form>,
    pieces: &Pieces,
    call: AskOne<T>,
) -> Result<Result<ByModel, Unanswered>, Failure> {
    let mut used = Usage::default();
    let mut mistakes = Vec::new();
    for round in 0..2 {
        if round > 0 {
            pieces.anew().await;
        }
        let answered = caller
            .about(ask.matter(pieces.are_read()))
            .first_answer(capability, &chain.candidates, pieces, |candidate| {
                call(candidate, &ask, pieces)
            })
            .await;
        let Answered {
            answer: mut written,
            provider,
            fell_back,
        } = match answered {
            Ok(answered) => answered,
            Err(unanswered) => return Ok(Err(unanswered)),
        };
        used.add(&written.usage);
        written.usage.clone_from(&used);
        let by_model = |structured| ByModel {
            structured,
            provider,
            fell_back,
            written: written.clone(),
        };
        match form.map(|form| form.read(&written.text)) {
            None => return Ok(Ok(by_model(None))),
            Some(Ok(value)) => return Ok(Ok(by_model(Some(value)))),
            Some(Err(_)) if written.finish == Finish::Length => {
                let message = "the JSON broke off at max_output_tokens";
                return Err(Failure::non_retryable("output_truncated", message));
            }
            Some(Err(wrong)) => {
                ask.turns.push(Turn::Model(written.text));
                ask.turns.push(Turn::User(structured::repair(&wrong)));
                mistakes = wrong;
            }
        }
    }
    let message = format!(
        "the answer does not match the schema, even after it was told: {}",
        mistakes.join("; ")
    );
    Err(Failure::non_retryable("output_invalid", message))
}

/// Asks for text.
pub fn write<'a>(candidate: &'a Candidate<dyn TextModel>, ask: &'a Ask, pieces: &'a Pieces) -> Call<'a, Written> {
    candidate.engine.write(ask, &candidate.model, pieces)
}

/// Asks about pictures.
pub fn look<'a>(candidate: &'a Candidate<dyn VisionModel>, ask: &'a Ask, pieces: &'a Pieces) -> Call<'a, Written> {
    candidate.engine.look(ask, &candidate.model, pieces)
}
