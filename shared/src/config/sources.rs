//! Where values come from. Reading them into settings is `reader.rs`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::error::ConfigError;

/// Names the TOML file; it is not a setting itself, for no file can name itself.
const FILE_VARIABLE: &str = "ZOETROPE_CONFIG";
const DEFAULT_FILE: &str = "zoetrope.toml";
const DOTENV_FILE: &str = ".env";

/// Everything that settings are read from. Tests make their own.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The TOML file: its path and text.
    pub file: Option<(PathBuf, String)>,
    /// Pairs of `.env`.
    pub dotenv: BTreeMap<String, String>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
}

impl Sources {
    /// The sources of this process.
    pub fn of_process() -> Result<Self, ConfigError> {
        // Variables that are not Unicode are none of ours.
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let dotenv = read_dotenv(Path::new(DOTENV_FILE))?;
        let named = environment
            .get(FILE_VARIABLE)
            .or_else(|| dotenv.get(FILE_VARIABLE))
            .filter(|path| !path.is_empty());
        let file = match named {
            Some(path) => Some(read_file(Path::new(path))?),
            None if Path::new(DEFAULT_FILE).exists() => Some(read_file(Path::new(DEFAULT_FILE))?),
            None => None,
        };
        Ok(Self {
            file,
            dotenv,
            environment,
        })
    }
}

fn read_file(path: &Path) -> Result<(PathBuf, String), ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((path.to_owned(), text)),
        Err(error) => Err(ConfigError::File {
            file: path.to_owned(),
            detail: error.to_string(),
        }),
    }
}

fn read_dotenv(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let pairs = match dotenvy::from_path_iter(path) {
        Ok(pairs) => pairs,
        Err(error) if error.not_found() => return Ok(BTreeMap::new()),
        Err(error) => {
            return Err(ConfigError::File {
                file: path.to_owned(),
                detail: error.to_string(),
            });
        }
    };
    // The parser's own message repeats the whole line, which may hold a secret.
    let unreadable = |_| ConfigError::File {
        file: path.to_owned(),
        detail: "a line is not of the form NAME=value; quote values with spaces".to_owned(),
    };
    pairs.collect::<Result<_, _>>().map_err(unreadable)
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The TOML file.
    File(PathBuf),
    /// `.env`.
    Dotenv,
    /// The environment.
    Environment,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Dotenv => f.write_str(DOTENV_FILE),
            Self::Environment => f.write_str("the environment"),
        }
    }
}
