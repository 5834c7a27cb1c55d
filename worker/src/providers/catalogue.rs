//! The list of models: which one a tier means, what it takes, what it costs. Configuration, never code: the built-in
//! list is a file of the same form as the operator's.

use std::path::Path;

use anyhow::Context;
use serde::Deserialize;
use zoetrope_shared::usage::Usage;

const BUILT_IN: &str = include_str!("../../models.toml");
/// The tier where a task names no model.
const USUAL_TIER: Tier = Tier::Basic;
/// Longest name of a model, characters.
const MAX_NAME_CHARS: usize = 256;

/// What a model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Writes text.
    Text,
    /// Looks at pictures.
    Vision,
    /// Speaks.
    Speech,
    /// Writes down what is spoken.
    Transcription,
    /// Finds objects.
    Detection,
}

impl Capability {
    /// The word used in settings, metrics and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Vision => "vision",
            Self::Speech => "speech",
            Self::Transcription => "transcription",
            Self::Detection => "detection",
        }
    }
}

/// How good, and how dear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Cheapest.
    Mini,
    /// The usual one.
    Basic,
    /// Better.
    Pro,
    /// Best.
    Ultra,
}

impl Tier {
    fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "mini" => Self::Mini,
            "basic" => Self::Basic,
            "pro" => Self::Pro,
            "ultra" => Self::Ultra,
            _ => return None,
        })
    }

    /// The word used in settings and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mini => "mini",
            Self::Basic => "basic",
            Self::Pro => "pro",
            Self::Ultra => "ultra",
        }
    }

    /// Which tier stands in for another that a provider does not have: the nearest, a lower one first.
    fn distance(self, other: Self) -> i32 {
        let (a, b) = (self as i32 * 2, other as i32 * 2);
        if b > a { b - a + 1 } else { a - b }
    }
}

/// One model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// As the provider calls it.
    pub name: String,
    /// The provider.
    pub provider: String,
    /// What it can do.
    pub can: Vec<Capability>,
    /// Its tier.
    pub tier: Option<Tier>,
    /// US dollars for a million tokens read.
    pub input_usd: Option<f64>,
    /// US dollars for a million tokens written.
    pub output_usd: Option<f64>,
    /// US dollars for a million characters spoken.
    pub characters_usd: Option<f64>,
    /// US dollars for a minute heard.
    pub minute_usd: Option<f64>,
    /// US dollars for a picture looked at.
    pub image_usd: Option<f64>,
    /// Whether a request may carry a temperature.
    #[serde(default)]
    pub takes_temperature: bool,
    /// Whether a request may carry a schema that the provider enforces.
    #[serde(default = "yes")]
    pub takes_schema: bool,
    /// Sent with every request.
    pub reasoning_effort: Option<String>,
    /// Whether the cap on tokens is called `max_tokens`.
    #[serde(default)]
    pub old_token_cap: bool,
    /// Whether a transcription tells times.
    #[serde(default)]
    pub tells_times: bool,
    /// Longest text of one request for speech, characters.
    pub max_chars: Option<usize>,
}

fn yes() -> bool {
    true
}

impl Model {
    /// A model that no list knows: it takes what every server takes, and has no price.
    pub fn unlisted(provider: &str, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            provider: provider.to_owned(),
            can: Vec::new(),
            tier: None,
            input_usd: None,
            output_usd: None,
            characters_usd: None,
            minute_usd: None,
            image_usd: None,
            takes_temperature: true,
            takes_schema: true,
            reasoning_effort: None,
            old_token_cap: true,
            tells_times: true,
            max_chars: None,
        }
    }

    /// Whether anything that it uses has a price.
    pub fn has_price(&self) -> bool {
        self.prices().into_iter().flatten().any(|price| price > 0.0)
    }

    /// Whether its price is known, if only that it costs nothing.
    pub fn is_priced(&self) -> bool {
        self.prices().iter().any(Option::is_some)
    }

    fn prices(&self) -> [Option<f64>; 5] {
        [
            self.input_usd,
            self.output_usd,
            self.characters_usd,
            self.minute_usd,
            self.image_usd,
        ]
    }

    /// What a use costs, US dollars; `None` if a part of it has no price.
    pub fn cost(&self, usage: &Usage) -> Option<f64> {
        const MILLION: f64 = 1_000_000.0;
        const MINUTE_MS: f64 = 60_000.0;
        let parts = [
            (usage.input_tokens, self.input_usd, MILLION),
            (usage.output_tokens, self.output_usd, MILLION),
            (usage.characters, self.characters_usd, MILLION),
            (usage.audio_ms, self.minute_usd, MINUTE_MS),
            (usage.images, self.image_usd, 1.0),
        ];
        let mut cost = None;
        for (units, price, per) in parts {
            // What is counted without being priced costs nothing of its own: pictures are in a vision model's tokens.
            if let (Some(units), Some(price)) = (units, price) {
                cost = Some(cost.unwrap_or(0.0) + units as f64 * price / per);
            }
        }
        cost
    }
}

/// The list.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    #[serde(rename = "model", default)]
    models: Vec<Model>,
}

impl Catalogue {
    /// The operator's list, or the built-in one.
    ///
    /// # Errors
    /// When the file cannot be read or says something that this list does not know.
    pub fn open(file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(file) = file else {
            return Self::parse(BUILT_IN).context("read the built-in models");
        };
        let text = std::fs::read_to_string(file).with_context(|| format!("read MODELS_FILE {}", file.display()))?;
        Self::parse(&text).with_context(|| format!("read MODELS_FILE {}", file.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let catalogue: Self = toml::from_str(text)?;
        for model in &catalogue.models {
            anyhow::ensure!(is_name(&model.name), "`{}` is no name of a model", model.name);
            let sound = model
                .prices()
                .into_iter()
                .flatten()
                .all(|price| price.is_finite() && price >= 0.0);
            anyhow::ensure!(sound, "a price of {} is negative or no number", model.name);
        }
        Ok(catalogue)
    }

    /// Every model of a provider.
    pub fn of_provider<'a>(&'a self, provider: &'a str) -> impl Iterator<Item = &'a Model> {
        self.models.iter().filter(move |model| model.provider == provider)
    }

    /// The model that is meant: by name, by tier, or the usual one. `None` where the provider has none that can do it,
    /// or the name is none.
    pub fn choose(&self, provider: &str, capability: Capability, wanted: Option<&str>) -> Option<Model> {
        let able = || {
            self.of_provider(provider)
                .filter(|model| model.can.contains(&capability))
        };
        let tier = wanted.map_or(Some(USUAL_TIER), Tier::of_word);
        let Some(tier) = tier else {
            let name = wanted.filter(|name| is_name(name))?;
            let listed = able().find(|model| model.name == name).cloned();
            return Some(listed.unwrap_or_else(|| Model::unlisted(provider, name)));
        };
        let distance = |model: &&Model| model.tier.map_or(i32::MAX, |own| tier.distance(own));
        able().min_by_key(distance).cloned()
    }

    /// The model whose price an answer has: the one that answered, by its own name, else the one that was asked.
    pub fn priced<'a>(&'a self, provider: &'a str, answered: &str, asked: &'a Model) -> &'a Model {
        let is_dated = |name: &str| {
            answered
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        let named = self.of_provider(provider).filter(|model| is_dated(&model.name));
        named.max_by_key(|model| model.name.len()).unwrap_or(asked)
    }
}

/// Whether a text may be a model's name: it stands in URLs and labels.
pub fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '/' | '@');
    !text.is_empty() && text.len() <= MAX_NAME_CHARS && text.chars().all(plain) && !text.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built_in() -> Catalogue {
        Catalogue::open(None).expect("the built-in list is valid")
    }

    #[test]
    fn a_tier_a_name_and_nothing_each_choose_a_model() {
        let choose = |wanted| {
            built_in()
                .choose("openai", Capability::Text, wanted)
                .map(|model| model.name)
        };
        assert_eq!(choose(None).as_deref(), Some("gpt-6-luna"));
        assert_eq!(choose(Some("ultra")).as_deref(), Some("gpt-6.2-astra"));
        assert_eq!(
            choose(Some("mini")).as_deref(),
            Some("gpt-6-luna"),
            "the nearest tier stands in"
        );
        assert_eq!(choose(Some("llama3.2:latest")).as_deref(), Some("llama3.2:latest"));
        assert_eq!(choose(Some("../../files")), None);
        assert_eq!(built_in().choose("nobody", Capability::Text, None), None);
    }

    #[test]
    fn a_cost_is_what_was_used_times_the_price_of_the_model_that_answered() {
        let catalogue = built_in();
        let asked = Model::unlisted("anthropic", "claude-sonnet-5-5");
        let used = Usage {
            input_tokens: Some(1_000_000),
            output_tokens: Some(200_000),
            ..Usage::default()
        };
        let priced = catalogue.priced("anthropic", "claude-sonnet-5-5-20261001", &asked);
        assert_eq!(priced.cost(&used), Some(4.0));
        assert_eq!(
            catalogue.priced("anthropic", "something else", &asked).cost(&used),
            None
        );
    }

    #[test]
    fn a_list_with_a_mistake_is_refused() {
        for text in [
            "[[model]]\nname = \"a b\"\nprovider = \"openai\"\ncan = [\"text\"]",
            "[[model]]\nname = \"a\"\nprovider = \"openai\"\ncan = [\"flight\"]",
            "[[model]]\nname = \"a\"\nprovider = \"openai\"\ncan = [\"text\"]\ninput_usd = -1.0",
            "[[model]]\nname = \"a\"\nprovider = \"openai\"\ncan = [\"text\"]\nprice = 1.0",
        ] {
            assert!(Catalogue::parse(text).is_err(), "{text}");
        }
    }
}
