//! Lays the sources over each other and hands out values by name. It remembers every name that was asked for: those
//! are the settings, so that no second list of them has to be kept.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use super::error::ConfigError;
use super::sources::{Origin, Sources};

pub(super) struct Reader<'a> {
    sources: &'a Sources,
    file: BTreeMap<String, String>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(sources: &'a Sources) -> Result<Self, ConfigError> {
        let file = match &sources.file {
            Some((path, text)) => flatten(path, text)?,
            None => BTreeMap::new(),
        };
        Ok(Self {
            sources,
            file,
            asked: RefCell::default(),
        })
    }

    /// The strongest value of a setting that is not empty.
    pub(super) fn raw(&self, name: &'static str) -> Option<(&str, Origin)> {
        self.asked.borrow_mut().push(name);
        let file = self
            .sources
            .file
            .as_ref()
            .map(|(path, _)| path.clone())
            .unwrap_or_default();
        let layers = [
            (self.sources.environment.get(name), Origin::Environment),
            (self.sources.dotenv.get(name), Origin::Dotenv),
            (self.file.get(&name.to_ascii_lowercase()), Origin::File(file)),
        ];
        let mut set = layers
            .into_iter()
            .filter_map(|(value, origin)| Some((value?.trim(), origin)));
        set.find(|(value, _)| !value.is_empty())
    }

    /// A setting as its type; `None` if it is not set.
    pub(super) fn optional<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let Some((value, origin)) = self.raw(name) else {
            return Ok(None);
        };
        parse(value)
            .map(Some)
            .map_err(|detail| ConfigError::Invalid { name, origin, detail })
    }

    /// A setting as its type, or its default.
    pub(super) fn or<T>(
        &self,
        name: &'static str,
        default: T,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        Ok(self.optional(name, parse)?.unwrap_or(default))
    }

    /// Call it last: a key of the file that nobody asked for is a mistake.
    pub(super) fn refuse_unknown(&self) -> Result<(), ConfigError> {
        let Some((path, _)) = &self.sources.file else {
            return Ok(());
        };
        let asked = self.asked.borrow();
        let known = |key: &str| asked.iter().any(|name| name.eq_ignore_ascii_case(key));
        let Some(key) = self.file.keys().find(|key| !known(key)) else {
            return Ok(());
        };
        let nearest = nearest(key, &asked);
        Err(ConfigError::Unknown {
            file: path.clone(),
            key: key.clone(),
            nearest,
        })
    }

    /// Every setting, in the order in which they were asked for.
    pub(super) fn names(&self) -> Vec<&'static str> {
        let mut names = self.asked.borrow().clone();
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(*name));
        names
    }
}

/// The file as names and text, as if its values had been written in the environment.
fn flatten(path: &Path, text: &str) -> Result<BTreeMap<String, String>, ConfigError> {
    let wrong = |detail: String| ConfigError::File {
        file: path.to_owned(),
        detail,
    };
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
    let mut flat = BTreeMap::new();
    for (key, value) in table {
        let Some(text) = as_text(&value) else {
            return Err(wrong(format!(
                "`{key}` should be a string, a number, true, false or a list of these"
            )));
        };
        flat.insert(key, text);
    }
    Ok(flat)
}

fn as_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Array(items) => items
            .iter()
            .map(as_text)
            .collect::<Option<Vec<_>>>()
            .map(|items| items.join(",")),
        toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

/// The setting with the most letters in common at both ends, if that is more than half of the key.
fn nearest(key: &str, names: &[&'static str]) -> Option<String> {
    let common = |name: &str| {
        let head = key
            .bytes()
            .zip(name.bytes())
            .take_while(|(a, b)| a.eq_ignore_ascii_case(b))
            .count();
        let tail = key
            .bytes()
            .rev()
            .zip(name.bytes().rev())
            .take_while(|(a, b)| a.eq_ignore_ascii_case(b))
            .count();
        (head + tail).min(name.len())
    };
    let best = names.iter().max_by_key(|name| common(name))?;
    (common(best) * 2 > key.len()).then(|| best.to_ascii_lowercase())
}
