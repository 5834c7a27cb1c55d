//! What was used, in figures that add up: one row for each provider, capability and model of a day.

use std::collections::BTreeMap;

use super::day::Day;
use super::nano_of;
use crate::usage::Usage;

/// Longest name of a model in a row, characters.
const MAX_MODEL_CHARS: usize = 100;
/// The model of rows beyond the most that a day has.
pub(super) const OTHER_MODEL: &str = "(other)";

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was answered.
    Answered,
    /// It failed; whatever the provider bills for it is not known.
    Failed,
    /// It was answered from the cache and not made.
    Cached,
}

/// A call that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Who was asked.
    pub provider: &'a str,
    /// What for: `text`, `vision`, `speech`, `transcription`, `detection`.
    pub capability: &'a str,
    /// With which model.
    pub model: &'a str,
    /// How it ended.
    pub ending: Ending,
    /// What it used.
    pub usage: &'a Usage,
}

impl Entry<'_> {
    /// How its row is called; `model` in place of its own.
    pub(super) fn row(&self, model: &str) -> String {
        // A model's name may be a stranger's: what separates fields must not be in it.
        let plain = |c: char| {
            if c.is_ascii_graphic() && c != '|' { c } else { '_' }
        };
        let model: String = model.chars().take(MAX_MODEL_CHARS).map(plain).collect();
        format!("{}|{}|{model}", self.provider, self.capability)
    }

    /// What is added to the row.
    pub(super) fn figures(&self) -> Vec<(&'static str, u64)> {
        let ended = match self.ending {
            Ending::Answered => return self.answered(),
            Ending::Failed => ("failed", 1),
            Ending::Cached => ("cached", 1),
        };
        // The first figure of every row, by which it is known.
        vec![("calls", 0), ended]
    }

    fn answered(&self) -> Vec<(&'static str, u64)> {
        let Usage {
            input_tokens,
            output_tokens,
            characters,
            audio_ms,
            images,
            cost_usd,
            ..
        } = self.usage;
        let counted = [
            ("calls", Some(1)),
            ("input_tokens", *input_tokens),
            ("output_tokens", *output_tokens),
            ("characters", *characters),
            ("audio_ms", *audio_ms),
            ("images", *images),
            ("cost_nano_usd", cost_usd.map(nano_of)),
            ("unpriced", cost_usd.is_none().then_some(1)),
        ];
        let told = counted.into_iter().filter_map(|(name, value)| Some((name, value?)));
        told.collect()
    }
}

/// Figures of a row, or of several together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Answered calls.
    pub calls: u64,
    /// Failed calls.
    pub failed: u64,
    /// Answers from the cache.
    pub cached: u64,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Characters spoken.
    pub characters: u64,
    /// Audio heard, milliseconds.
    pub audio_ms: u64,
    /// Pictures looked at.
    pub images: u64,
    /// Cost, nanodollars.
    pub cost_nano_usd: u64,
    /// Answered calls of which no price is known.
    pub unpriced: u64,
}

impl Figures {
    /// Adds other figures.
    pub fn add(&mut self, other: &Self) {
        let mut sum = |own: fn(&mut Self) -> &mut u64, value: u64| {
            let own = own(self);
            *own = own.saturating_add(value);
        };
        sum(|it| &mut it.calls, other.calls);
        sum(|it| &mut it.failed, other.failed);
        sum(|it| &mut it.cached, other.cached);
        sum(|it| &mut it.input_tokens, other.input_tokens);
        sum(|it| &mut it.output_tokens, other.output_tokens);
        sum(|it| &mut it.characters, other.characters);
        sum(|it| &mut it.audio_ms, other.audio_ms);
        sum(|it| &mut it.images, other.images);
        sum(|it| &mut it.cost_nano_usd, other.cost_nano_usd);
        sum(|it| &mut it.unpriced, other.unpriced);
    }

    fn of_name(&mut self, name: &str) -> Option<&mut u64> {
        Some(match name {
            "calls" => &mut self.calls,
            "failed" => &mut self.failed,
            "cached" => &mut self.cached,
            "input_tokens" => &mut self.input_tokens,
            "output_tokens" => &mut self.output_tokens,
            "characters" => &mut self.characters,
            "audio_ms" => &mut self.audio_ms,
            "images" => &mut self.images,
            "cost_nano_usd" => &mut self.cost_nano_usd,
            "unpriced" => &mut self.unpriced,
            _ => return None,
        })
    }
}

/// What a tenant used of a model on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The day.
    pub day: Day,
    /// The provider.
    pub provider: String,
    /// The capability.
    pub capability: String,
    /// The model; `(other)` for those of a day with very many.
    pub model: String,
    /// What was used.
    pub figures: Figures,
}

/// The rows in the fields of a day. A field that makes no sense, such as one of a later version, is passed over.
pub(super) fn rows_of(day: Day, fields: &BTreeMap<String, i64>) -> Vec<Row> {
    let mut rows: BTreeMap<[&str; 3], Figures> = BTreeMap::new();
    for (field, value) in fields {
        let parts: Vec<&str> = field.split('|').collect();
        let [provider, capability, model, name] = parts[..] else {
            continue;
        };
        let figures = rows.entry([provider, capability, model]).or_default();
        if let Some(figure) = figures.of_name(name) {
            *figure = u64::try_from(*value).unwrap_or(0);
        }
    }
    let row = |([provider, capability, model], figures): ([&str; 3], Figures)| Row {
        day,
        provider: provider.to_owned(),
        capability: capability.to_owned(),
        model: model.to_owned(),
        figures,
    };
    rows.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_becomes_figures_that_are_read_back_whatever_its_model_is_called() {
        let usage = Usage {
            input_tokens: Some(1_000),
            output_tokens: Some(10),
            cost_usd: Some(0.000_105),
            ..Usage::default()
        };
        let entry = Entry {
            provider: "openai",
            capability: "text",
            model: "a|calls\n{}é",
            ending: Ending::Answered,
            usage: &usage,
        };
        let row = entry.row(entry.model);
        assert_eq!(row, "openai|text|a_calls_{}_");
        let fields = entry.figures().into_iter();
        let mut fields: BTreeMap<String, i64> = fields
            .map(|(name, value)| (format!("{row}|{name}"), i64::try_from(value).expect("small")))
            .collect();
        fields.insert("of a later version".to_owned(), 5);
        fields.insert(format!("{row}|more"), 5);
        let rows = rows_of(Day::of(0), &fields);
        let expected = Figures {
            calls: 1,
            input_tokens: 1_000,
            output_tokens: 10,
            cost_nano_usd: 105_000,
            ..Figures::default()
        };
        assert_eq!((rows.len(), rows[0].figures), (1, expected));
        let unpriced = Entry {
            usage: &Usage::default(),
            ..entry
        };
        assert_eq!(unpriced.figures(), [("calls", 1), ("unpriced", 1)]);
    }
}
