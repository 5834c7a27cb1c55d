//! What providers can do, as small traits: an adapter implements those that its provider serves. What is asked and
//! answered here is the same for all of them; how it is said over the wire belongs to each adapter.
//!
//! A call is one exchange: whether it is made again, and by whom, is decided in [`super::calls`].

use std::fmt;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use zoetrope_shared::usage::Usage;

use super::answers::RequestHash;
use super::catalogue::Model;
use super::fault::Fault;
use crate::speech::heard::Segment;

/// The future of one call.
pub type Call<'a, T> = BoxFuture<'a, Result<T, Fault>>;

/// Whatever is in the chain of a capability.
pub trait Engine: Send + Sync + fmt::Debug {
    /// The provider's name, as in results and metrics.
    fn provider(&self) -> &'static str;

    /// Host and port of its server.
    fn address(&self) -> (String, u16);
}

/// Writes text.
pub trait TextModel: Engine {
    /// Answers; pieces of the answer go to `pieces` as they come.
    fn write<'a>(&'a self, ask: &'a Ask, model: &'a Model, pieces: &'a Pieces) -> Call<'a, Written>;
}

/// Looks at pictures and writes text about them.
pub trait VisionModel: Engine {
    /// Answers about the pictures of the question.
    fn look<'a>(&'a self, ask: &'a Ask, model: &'a Model, pieces: &'a Pieces) -> Call<'a, Written>;
}

/// Speaks.
pub trait SpeechSynthesizer: Engine {
    /// Speaks one piece of text.
    fn speak<'a>(&'a self, words: &'a Words, model: &'a Model) -> Call<'a, Spoken>;

    /// The voices that may be asked for.
    fn voices(&self) -> Call<'_, Vec<Voice>>;
}

/// Writes down what is spoken.
pub trait Transcriber: Engine {
    /// Hears one piece of audio.
    fn transcribe<'a>(&'a self, audio: &'a Audio, model: &'a Model) -> Call<'a, Heard>;
}

/// A piece of audio that was decoded and made again by us.
#[derive(Debug, Clone)]
pub struct Audio {
    /// FLAC, mono, 16,000 samples a second.
    pub flac: Bytes,
    /// Its length, milliseconds.
    pub duration_ms: u64,
    /// The language that is spoken, if it is known.
    pub language: Option<String>,
    /// Whether the times of words are wanted.
    pub with_words: bool,
}

impl Audio {
    /// What it takes to hear it.
    pub fn matter(&self) -> Matter {
        Matter {
            expected: Usage {
                audio_ms: Some(self.duration_ms),
                ..Usage::default()
            },
            ..Matter::default()
        }
    }
}

/// What was heard in a piece; times are those of the piece.
#[derive(Debug, Clone)]
pub struct Heard {
    /// What was said, in order.
    pub segments: Vec<Segment>,
    /// The language, as the provider calls it.
    pub language: Option<String>,
    /// The model.
    pub model: String,
    /// What it used, without cost.
    pub usage: Usage,
}

impl Measured for Heard {
    fn model(&self) -> &str {
        &self.model
    }

    fn usage(&self) -> &Usage {
        &self.usage
    }

    fn usage_mut(&mut self) -> &mut Usage {
        &mut self.usage
    }
}

/// What is to be spoken.
#[derive(Debug, Clone, PartialEq)]
pub struct Words {
    /// The text.
    pub text: String,
    /// The voice; `None` for the provider's usual one.
    pub voice: Option<String>,
    /// How fast; 1 is as the voice speaks.
    pub speed: f64,
    /// Whether the times of words are wanted.
    pub with_times: bool,
}

impl Words {
    /// What it takes to speak them.
    pub fn matter(&self) -> Matter {
        Matter {
            expected: Usage {
                characters: Some(self.text.chars().count() as u64),
                ..Usage::default()
            },
            ..Matter::default()
        }
    }
}

/// What was spoken.
#[derive(Debug, Clone)]
pub struct Spoken {
    /// The sound.
    pub sound: Sound,
    /// The time of each word in it, where it was told.
    pub words: Option<Vec<TimedWord>>,
    /// The voice.
    pub voice: String,
    /// The model.
    pub model: String,
    /// What it used, without cost.
    pub usage: Usage,
}

/// Sound as a provider sent it: it is decoded in a media child and nowhere else.
#[derive(Debug, Clone)]
pub struct Sound {
    /// A WAVE file, or bare samples.
    pub bytes: Bytes,
    /// Samples a second of bare 16-bit mono samples; `None` for a WAVE file.
    pub bare_rate: Option<u32>,
}

/// A word and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedWord {
    /// When it begins, milliseconds.
    pub start_ms: u64,
    /// When it ends, milliseconds.
    pub end_ms: u64,
    /// The word.
    pub text: String,
}

/// A voice that may be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voice {
    /// How it is asked for.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Its language, where the provider says one.
    pub language: Option<String>,
}

impl Measured for Spoken {
    fn model(&self) -> &str {
        &self.model
    }

    fn usage(&self) -> &Usage {
        &self.usage
    }

    fn usage_mut(&mut self) -> &mut Usage {
        &mut self.usage
    }
}

/// What a model is asked.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// Who the model is and what it has to do.
    pub system: String,
    /// The conversation, a turn of the user first and last.
    pub turns: Vec<Turn>,
    /// Pictures that go with the first turn; only [`VisionModel`]s are asked with any.
    pub pictures: Vec<Picture>,
    /// JSON Schema of the answer, where it has to be JSON.
    pub schema: Option<Value>,
    /// Randomness, 0 to 2.
    pub temperature: Option<f64>,
    /// Most tokens of the answer.
    pub max_output_tokens: u32,
    /// Whether an answer that is remembered will do.
    pub cache: bool,
}

impl Ask {
    /// What the question is about, for those who count. Tokens are guessed at: four letters each, and a picture of the
    /// largest size that is sent.
    pub fn matter(&self, streams: bool) -> Matter {
        const LETTERS_A_TOKEN: usize = 4;
        const TOKENS_A_PICTURE: u64 = 1_600;
        let turns = self.turns.iter().map(|turn| match turn {
            Turn::User(text) | Turn::Model(text) => text.len(),
        });
        let letters = self.system.len() + turns.sum::<usize>();
        let pictures = self.pictures.len() as u64;
        let expected = Usage {
            input_tokens: Some((letters / LETTERS_A_TOKEN) as u64 + pictures * TOKENS_A_PICTURE),
            output_tokens: Some(self.max_output_tokens.into()),
            images: (pictures > 0).then_some(pictures),
            estimated: true,
            ..Usage::default()
        };
        Matter {
            expected,
            temperature: self.temperature,
            streams,
            request: self.cache.then(|| self.hash()),
        }
    }

    /// Everything that an answer may depend on.
    fn hash(&self) -> RequestHash {
        let turns = self.turns.iter().map(|turn| match turn {
            Turn::User(text) => json!({"user": text}),
            Turn::Model(text) => json!({"model": text}),
        });
        let said = json!({
            "system": self.system,
            "turns": turns.collect::<Vec<_>>(),
            "schema": self.schema,
            "temperature": self.temperature,
            "max_output_tokens": self.max_output_tokens,
        });
        let said = said.to_string();
        let pictures = self.pictures.iter().map(|picture| &picture.bytes[..]);
        RequestHash::of(std::iter::once(said.as_bytes()).chain(pictures))
    }
}

/// What a call is about, as far as it has to be known before it is made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Matter {
    /// What it may use at the most, as far as that can be guessed.
    pub expected: Usage,
    /// Randomness.
    pub temperature: Option<f64>,
    /// Whether the answer comes in pieces.
    pub streams: bool,
    /// The request, if its answer may be one that is remembered.
    pub request: Option<RequestHash>,
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Said to the model.
    User(String),
    /// Said by the model before.
    Model(String),
}

/// A picture that was decoded and made again by us: a provider sees no byte that a user sent.
#[derive(Debug, Clone)]
pub struct Picture {
    /// `image/jpeg` or `image/png`.
    pub content_type: &'static str,
    /// Its bytes.
    pub bytes: Bytes,
}

/// What a model answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Written {
    /// The text.
    pub text: String,
    /// Why it ends.
    pub finish: Finish,
    /// The model that answered, by its own word.
    pub model: String,
    /// What it used, without cost.
    pub usage: Usage,
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Finish {
    /// It is complete.
    #[default]
    Stop,
    /// It reached the cap on its length.
    Length,
}

impl Finish {
    /// The word used in results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
        }
    }
}

/// Where pieces of an answer go while it is written. Sending waits for whoever reads them.
#[derive(Debug, Clone, Default)]
pub struct Pieces(Option<mpsc::Sender<Piece>>);

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// More text.
    Text(String),
    /// What was sent so far is void: the answer begins anew.
    Anew,
}

impl Pieces {
    /// Pieces for a reader; dropping the last sender tells it the end.
    pub fn to(reader: mpsc::Sender<Piece>) -> Self {
        Self(Some(reader))
    }

    /// Pieces that nobody reads.
    pub fn nowhere() -> Self {
        Self(None)
    }

    /// Whether anybody reads them: if not, the answer may come in one.
    pub fn are_read(&self) -> bool {
        self.0.is_some()
    }

    pub(super) async fn text(&self, text: &str) {
        if let Some(reader) = self.0.as_ref().filter(|_| !text.is_empty()) {
            // A reader that is gone wants no more; the answer is still wanted.
            let _ = reader.send(Piece::Text(text.to_owned())).await;
        }
    }

    /// Tells the reader to forget what it has.
    pub async fn anew(&self) {
        if let Some(reader) = &self.0 {
            let _ = reader.send(Piece::Anew).await;
        }
    }
}

/// What every answer tells of its making.
pub trait Measured: Sized {
    /// The model that answered.
    fn model(&self) -> &str;
    /// What it used.
    fn usage(&self) -> &Usage;
    /// The same, to fill in the cost.
    fn usage_mut(&mut self) -> &mut Usage;
    /// Why it ends, where that is told.
    fn finish(&self) -> Option<Finish> {
        None
    }
    /// Its text, where it is one that comes in pieces.
    fn text(&self) -> &str {
        ""
    }
    /// As it is remembered; `None` where it never is.
    fn kept(&self) -> Option<String> {
        None
    }
    /// As it was remembered.
    fn recalled(_kept: &str) -> Option<Self> {
        None
    }
}

impl Measured for Written {
    fn model(&self) -> &str {
        &self.model
    }

    fn usage(&self) -> &Usage {
        &self.usage
    }

    fn usage_mut(&mut self) -> &mut Usage {
        &mut self.usage
    }

    fn finish(&self) -> Option<Finish> {
        Some(self.finish)
    }

    fn text(&self) -> &str {
        &self.text
    }

    fn kept(&self) -> Option<String> {
        let kept = json!({"text": self.text, "finish": self.finish.as_str(), "model": self.model});
        Some(kept.to_string())
    }

    fn recalled(kept: &str) -> Option<Self> {
        let kept: Value = serde_json::from_str(kept).ok()?;
        let text = |name: &str| kept[name].as_str().map(str::to_owned);
        Some(Self {
            text: text("text")?,
            finish: [Finish::Stop, Finish::Length]
                .into_iter()
                .find(|finish| kept["finish"] == finish.as_str())?,
            model: text("model")?,
            usage: Usage {
                cached: true,
                cost_usd: Some(0.0),
                ..Usage::default()
            },
        })
    }
}
