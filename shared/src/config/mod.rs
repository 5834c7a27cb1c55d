//! The settings: one struct, read once at boot, the only reader of the environment.
//!
//! A setting has one name, such as `MAX_WORKERS`. It is taken from, the later the stronger: its default, a TOML file
//! (`max_workers`; `./zoetrope.toml` or what `ZOETROPE_CONFIG` names), `.env` in the working folder, the environment.
//! An empty value counts as not set. What a setting does belongs to whoever uses it.

mod error;
mod provider_bounds;
mod providers;
mod reader;
mod redacted;
mod redis;
mod secret;
mod settings;
mod sources;
mod traces;
mod value;
mod warnings;

pub use error::ConfigError;
pub use provider_bounds::{ProviderBounds, ProviderLimit};
pub use providers::{DetectorSettings, ProviderAccess, ProviderSettings};
pub use redis::{PemFile, RedisSettings};
pub use secret::Secret;
pub use settings::{AuthMode, AwsSettings, LogFormat, Settings, aws_settings};
pub use sources::{Origin, Sources};
pub use traces::{TraceSampler, TraceSettings};
