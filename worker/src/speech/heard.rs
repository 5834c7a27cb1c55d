//! What was heard, whoever heard it: segments with times and, where they are told, words.

/// Something that was said.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// When it begins, milliseconds.
    pub start_ms: u64,
    /// When it ends, milliseconds.
    pub end_ms: u64,
    /// What was said.
    pub text: String,
    /// Its words; empty where they are not told.
    pub words: Vec<TimedText>,
    /// Whether its times were told, and are not those of the piece of audio that it was heard in.
    pub is_timed: bool,
}

/// A word and its time.
#[derive(Debug, Clone, PartialEq)]
pub struct TimedText {
    /// When it begins, milliseconds.
    pub start_ms: u64,
    /// When it ends, milliseconds.
    pub end_ms: u64,
    /// The word.
    pub text: String,
    /// How sure the engine is, 0 to 1.
    pub confidence: Option<f32>,
}

impl Segment {
    /// A segment of words.
    pub fn of_words(words: Vec<TimedText>) -> Self {
        let mut segment = Self {
            start_ms: 0,
            end_ms: 0,
            text: String::new(),
            words,
            is_timed: true,
        };
        segment.follow_words();
        segment
    }

    /// A segment whose time within a piece of audio is not known.
    pub fn untimed(start_ms: u64, end_ms: u64, text: &str) -> Self {
        Self {
            start_ms,
            end_ms,
            text: text.trim().to_owned(),
            words: Vec::new(),
            is_timed: false,
        }
    }

    /// Takes text and times from the words.
    pub fn follow_words(&mut self) {
        self.start_ms = self.words.first().map_or(self.start_ms, |word| word.start_ms);
        self.end_ms = self.words.last().map_or(self.end_ms, |word| word.end_ms);
        self.text = self
            .words
            .iter()
            .map(|word| word.text.as_str())
            .collect::<Vec<_>>()
            .join(" ");
    }

    /// The same, later.
    #[must_use]
    pub fn later(mut self, by_ms: u64) -> Self {
        self.start_ms += by_ms;
        self.end_ms += by_ms;
        for word in &mut self.words {
            word.start_ms += by_ms;
            word.end_ms += by_ms;
        }
        self
    }
}
