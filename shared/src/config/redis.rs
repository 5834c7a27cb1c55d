//! Which Redis, and how to log in there.

use std::sync::Arc;

use zoetrope_queue::{Address, Certificates, ConnectOptions, Durability, Login};

use super::error::ConfigError;
use super::reader::Reader;
use super::secret::Secret;
use super::value;

const TIERS: &[(&str, Durability)] = &[
    ("fast", Durability::Fast),
    ("safe", Durability::Safe),
    ("strict", Durability::Strict),
];

/// Everything about Redis but its address.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// `REDIS_USERNAME`: an ACL user. Default: that of the URL, or the default user.
    pub username: Option<String>,
    /// `REDIS_PASSWORD`: the user's. Default: that of the URL.
    pub password: Option<Secret>,
    /// `REDIS_SENTINEL_USERNAME`: an ACL user of the sentinels. Default: none.
    pub sentinel_username: Option<String>,
    /// `REDIS_SENTINEL_PASSWORD`: the sentinels' password. Default: none.
    pub sentinel_password: Option<Secret>,
    /// `REDIS_CA_FILE`: PEM file of who may sign the servers' certificates. Default: the system's.
    pub ca: Option<PemFile>,
    /// `REDIS_CERT_FILE`: PEM file of the certificate that is shown to servers. Default: none.
    pub cert: Option<PemFile>,
    /// `REDIS_KEY_FILE`: PEM file of the key to it.
    pub key: Option<PemFile>,
    /// `REDIS_DURABILITY`: `fast`, `safe` or `strict`; less is refused. Default: whatever Redis gives.
    pub durability: Option<Durability>,
    /// `REDIS_SHARDS`: of a queue that is made now, 1 to 64. Default: 1, and 16 on Redis Cluster.
    pub shards: Option<u16>,
}

/// A file as it was when the settings were read.
#[derive(Clone)]
pub struct PemFile {
    /// Where it is.
    pub path: String,
    bytes: Arc<[u8]>,
}

impl std::fmt::Debug for PemFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.path)
    }
}

impl RedisSettings {
    /// How to connect to this address.
    pub fn options(&self, url: &str) -> ConnectOptions {
        let login = |username: &Option<String>, password: &Option<Secret>| Login {
            username: username.clone(),
            password: password.as_ref().map(|password| password.expose().to_owned()),
        };
        let bytes = |file: &Option<PemFile>| file.as_ref().map(|file| Arc::clone(&file.bytes));
        ConnectOptions {
            login: login(&self.username, &self.password),
            sentinel_login: login(&self.sentinel_username, &self.sentinel_password),
            certificates: Certificates {
                ca: bytes(&self.ca),
                client: bytes(&self.cert).zip(bytes(&self.key)),
            },
            durability: self.durability,
            shards: self.shards,
            ..ConnectOptions::new(url)
        }
    }

    /// The same for a Redis that is not the queue's: whoever logs in there is in its URL.
    pub fn options_elsewhere(&self, url: &str) -> ConnectOptions {
        ConnectOptions {
            login: Login::default(),
            sentinel_login: Login::default(),
            durability: None,
            shards: None,
            ..self.options(url)
        }
    }
}

pub(super) fn live_url(from: &Reader<'_>) -> Result<Option<String>, ConfigError> {
    from.optional("LIVE_REDIS_URL", address)
}

pub(super) fn read(from: &Reader<'_>) -> Result<RedisSettings, ConfigError> {
    Ok(RedisSettings {
        username: from.optional("REDIS_USERNAME", value::text)?,
        password: from.optional("REDIS_PASSWORD", value::secret)?,
        sentinel_username: from.optional("REDIS_SENTINEL_USERNAME", value::text)?,
        sentinel_password: from.optional("REDIS_SENTINEL_PASSWORD", value::secret)?,
        ca: from.optional("REDIS_CA_FILE", pem_file)?,
        cert: from.optional("REDIS_CERT_FILE", pem_file)?,
        key: from.optional("REDIS_KEY_FILE", pem_file)?,
        durability: from.optional("REDIS_DURABILITY", value::word(TIERS))?,
        shards: from.optional("REDIS_SHARDS", value::number(1..=64))?,
    })
}

pub(super) fn url(from: &Reader<'_>) -> Result<String, ConfigError> {
    let host = from.or("REDIS_HOST", "127.0.0.1".to_owned(), value::text)?;
    let port = from.or("REDIS_PORT", 6379, value::number(1..=u16::MAX))?;
    // An IPv6 address stands in brackets in a URL.
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    from.or("REDIS_URL", format!("redis://{host}:{port}"), address)
}

/// The text may hold a password: it is not repeated.
fn address(text: &str) -> Result<String, String> {
    match Address::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn pem_file(path: &str) -> Result<PemFile, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("`{path}` cannot be read: {error}"))?;
    if !bytes.windows(11).any(|window| window == b"-----BEGIN ") {
        return Err(format!("`{path}` is no PEM file"));
    }
    Ok(PemFile {
        path: path.to_owned(),
        bytes: bytes.into(),
    })
}
