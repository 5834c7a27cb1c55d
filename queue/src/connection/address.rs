//! Where Redis is and how one logs in there: the forms of `REDIS_URL`. Nothing here connects.

use std::fmt;
use std::sync::Arc;

use redis::{
    ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, TlsCertificates,
};

use crate::error::QueueError;

/// Port of a sentinel whose address names none.
const SENTINEL_PORT: u16 = 26_379;
/// Most nodes in one address; more are found by asking these.
const MAX_NODES: usize = 64;

/// A user and a password; neither is ever shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// Name of an ACL user; `None` for the default one.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The bytes of a PEM file.
pub type Pem = Arc<[u8]>;

/// Certificates for `rediss` forms, PEM. Without a CA those of the system are trusted.
#[derive(Clone, Default)]
pub struct Certificates {
    /// Who may have signed the servers' certificates.
    pub ca: Option<Pem>,
    /// What this process shows of itself, and the key to it.
    pub client: Option<(Pem, Pem)>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = (self.ca.is_some(), self.client.is_some());
        write!(f, "Certificates {{ ca: {}, client: {} }}", names.0, names.1)
    }
}

impl Certificates {
    pub(super) fn for_redis(&self) -> TlsCertificates {
        TlsCertificates {
            client_tls: self.client.as_ref().map(|(cert, key)| ClientTlsConfig {
                client_cert: cert.to_vec(),
                client_key: key.to_vec(),
            }),
            root_cert: self.ca.as_ref().map(|ca| ca.to_vec()),
        }
    }
}

/// What stands behind an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Topology {
    /// One server.
    One,
    /// A primary with replicas; the nodes are its sentinels.
    Sentinel {
        /// What the sentinels call the primary.
        primary: String,
    },
    /// Redis Cluster.
    Cluster,
}

/// An address of Redis, checked:
///
/// * `redis://[user:password@]host[:port][/db]`, `rediss://…` with TLS
/// * `redis+unix:///path[?db=0&user=…&pass=…]`, `unix://…`
/// * `redis+sentinel://[user:password@]host[:port],host[:port],…/name[/db]`: the hosts are sentinels, the name is that of
///   the primary they watch, the user that of Redis; `rediss+sentinel://…` with TLS to both
/// * `redis+cluster://[user:password@]host[:port],…`, `rediss+cluster://…`: some nodes of a cluster
#[derive(Clone)]
pub struct Address {
    pub(super) topology: Topology,
    /// Servers, or sentinels; at least one.
    pub(super) nodes: Vec<ConnectionInfo>,
    /// How to log in to Redis.
    pub(super) login: Login,
    pub(super) db: i64,
}

impl Address {
    /// Checks the form.
    ///
    /// # Errors
    /// `Invalid` with what is wrong; the text is not repeated, for it may hold a password.
    pub fn parse(text: &str) -> Result<Self, QueueError> {
        let invalid = |detail: &str| QueueError::invalid("url", detail);
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| invalid("is not a URL that starts with redis://"))?;
        let plain = match scheme.strip_prefix("rediss").or_else(|| scheme.strip_prefix("redis")) {
            Some("+sentinel" | "+cluster") => scheme.split('+').next().unwrap_or("redis"),
            _ => return Self::one(text),
        };
        let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = before.split_once('/').unwrap_or((before, ""));
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let login = if user.is_empty() {
            String::new()
        } else {
            format!("{user}@")
        };
        let hosts: Vec<&str> = hosts.split(',').map(str::trim).collect();
        if hosts.len() > MAX_NODES || hosts.iter().any(|host| host.is_empty()) {
            return Err(invalid("names no host, an empty one, or more than 64"));
        }
        let (topology, db) = if scheme.ends_with("+sentinel") {
            let (primary, db) = path.split_once('/').unwrap_or((path, ""));
            let plain_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if primary.is_empty() || !primary.chars().all(plain_name) {
                return Err(invalid("names no primary: redis+sentinel://host,host/mymaster"));
            }
            let primary = primary.to_owned();
            (Topology::Sentinel { primary }, db)
        } else if path.is_empty() {
            (Topology::Cluster, "")
        } else {
            return Err(invalid("names a database: Redis Cluster has only one"));
        };
        let nodes: Result<Vec<ConnectionInfo>, QueueError> = hosts
            .iter()
            .map(|host| format!("{plain}://{login}{host}/{db}?{query}"))
            .map(|url| url.into_connection_info().map_err(|error| invalid(&error.to_string())))
            .collect();
        let mut address = Self::of(topology, nodes?);
        if let Topology::Sentinel { .. } = &address.topology {
            let nodes = address.nodes.iter_mut().zip(&hosts);
            nodes.for_each(|(node, host)| *node = as_sentinel(node, host));
        }
        Ok(address)
    }

    fn one(text: &str) -> Result<Self, QueueError> {
        let info = text
            .into_connection_info()
            .map_err(|error| QueueError::invalid("url", error.to_string()))?;
        Ok(Self::of(Topology::One, vec![info]))
    }

    fn of(topology: Topology, nodes: Vec<ConnectionInfo>) -> Self {
        let redis = nodes[0].redis_settings();
        let login = Login {
            username: redis.username().map(str::to_owned),
            password: redis.password().map(str::to_owned),
        };
        let db = redis.db();
        Self {
            topology,
            nodes,
            login,
            db,
        }
    }

    /// The form in a word or two: `unix socket`, `tcp`, `sentinel`, `cluster`, and ` with tls`.
    pub fn form(&self) -> &'static str {
        match (&self.topology, self.is_tls(), self.nodes[0].addr()) {
            (Topology::One, _, ConnectionAddr::Unix(_)) => "unix socket",
            (Topology::One, false, _) => "tcp",
            (Topology::One, true, _) => "tcp with tls",
            (Topology::Sentinel { .. }, false, _) => "sentinel",
            (Topology::Sentinel { .. }, true, _) => "sentinel with tls",
            (Topology::Cluster, false, _) => "cluster",
            (Topology::Cluster, true, _) => "cluster with tls",
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        matches!(self.nodes[0].addr(), ConnectionAddr::TcpTls { .. })
    }

    /// The same place with other logins, as far as they are given.
    pub(super) fn with_logins(mut self, redis: &Login, sentinels: &Login) -> Self {
        self.login.username = redis.username.clone().or(self.login.username);
        self.login.password = redis.password.clone().or(self.login.password);
        let login = match &self.topology {
            Topology::Sentinel { .. } => sentinels,
            Topology::One | Topology::Cluster => &self.login,
        };
        for node in &mut self.nodes {
            let settings = logged_in(node.redis_settings().clone(), login);
            *node = node.clone().set_redis_settings(settings);
        }
        self
    }
}

/// Shows the places, and no user or password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<String> = self.nodes.iter().map(|node| node.addr().to_string()).collect();
        let places = places.join(",");
        match &self.topology {
            Topology::One => write!(f, "{places}"),
            Topology::Sentinel { primary } => write!(f, "{primary} by the sentinels {places}"),
            Topology::Cluster => write!(f, "the cluster of {places}"),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn logged_in(mut redis: RedisConnectionInfo, login: &Login) -> RedisConnectionInfo {
    if let Some(username) = &login.username {
        redis = redis.set_username(username);
    }
    if let Some(password) = &login.password {
        redis = redis.set_password(password);
    }
    redis
}

/// A sentinel has a port of its own kind and a login of its own.
fn as_sentinel(node: &ConnectionInfo, host: &str) -> ConnectionInfo {
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
    let mut addr = node.addr().clone();
    if let (ConnectionAddr::Tcp(_, port) | ConnectionAddr::TcpTls { port, .. }, false) = (&mut addr, has_port) {
        *port = SENTINEL_PORT;
    }
    node.clone()
        .set_addr(addr)
        .set_redis_settings(RedisConnectionInfo::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match Address::parse(text) {
            Ok(address) => format!("{}: {address}", address.form()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_form_of_address_is_read() {
        for (text, expected) in [
            ("redis://db", "tcp: db:6379"),
            ("redis://me:secret@db:7000/3", "tcp: db:7000"),
            ("rediss://db", "tcp with tls: db:6379"),
            ("redis+unix:///run/redis.sock", "unix socket: /run/redis.sock"),
            (
                "redis+sentinel://:secret@a,b:1/main/2",
                "sentinel: main by the sentinels a:26379,b:1",
            ),
            (
                "redis+sentinel://[::1]:5,[::2]/main",
                "sentinel: main by the sentinels ::1:5,::2:26379",
            ),
            (
                "rediss+sentinel://a/main",
                "sentinel with tls: main by the sentinels a:26379",
            ),
            ("redis+cluster://a:1,b:2,c", "cluster: the cluster of a:1,b:2,c:6379"),
            ("rediss+cluster://u:p@a", "cluster with tls: the cluster of a:6379"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn the_login_is_that_of_redis_and_not_of_its_sentinels() {
        let address = Address::parse("redis+sentinel://me:s%40crit@a,b/main/2").expect("an address");
        assert_eq!(
            (
                address.login.username.as_deref(),
                address.login.password.as_deref(),
                address.db
            ),
            (Some("me"), Some("s@crit"), 2)
        );
        assert!(
            address
                .nodes
                .iter()
                .all(|node| node.redis_settings().password().is_none())
        );
        let other = Login {
            username: None,
            password: Some("other".to_owned()),
        };
        let address = Address::parse("redis://me:secret@db")
            .expect("an address")
            .with_logins(&other, &Login::default());
        let redis = address.nodes[0].redis_settings();
        assert_eq!((redis.username(), redis.password()), (Some("me"), Some("other")));
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for text in [
            "",
            "http://:hunter2@db",
            "db:6379:hunter2",
            "redis+sentinel://:hunter2@a,b",
            "redis+sentinel://:hunter2@a,,b/main",
            "redis+sentinel://:hunter2@/main",
            "redis+sentinel://:hunter2@a:port/main",
            "redis+cluster://:hunter2@a/1",
            "redis+pigeon://:hunter2@a",
        ] {
            let refused = Address::parse(text).expect_err(text).to_string();
            assert!(
                refused.starts_with("invalid url") && !refused.contains("hunter2"),
                "{refused}"
            );
        }
    }
}
