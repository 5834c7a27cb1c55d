//! Why the settings cannot be used: always with the name of the setting and where its value came from.

use std::path::PathBuf;

use super::sources::Origin;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A value is not one of its setting's.
    #[error("{name} (from {origin}): {detail}")]
    Invalid {
        /// The setting, in capitals.
        name: &'static str,
        /// Where the value came from.
        origin: Origin,
        /// What is wrong and what is allowed.
        detail: String,
    },
    /// The file has a key that is no setting.
    #[error("{}: `{key}` is no setting{}", .file.display(), .nearest.as_deref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default())]
    Unknown {
        /// The file.
        file: PathBuf,
        /// The key.
        key: String,
        /// The setting that looks most like it.
        nearest: Option<String>,
    },
    /// A file cannot be read.
    #[error("{}: {detail}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why not.
        detail: String,
    },
}
