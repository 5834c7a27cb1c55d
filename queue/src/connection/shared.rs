//! Connections of every form behind one type, so that nothing else asks which form it is.

use std::time::Duration;

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig, MultiplexedConnection, PubSub};
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionInfo, Pipeline, RedisFuture, Value};

use super::address::{Address, Certificates, Topology};
use super::sentinel::{Left, Primary};
use super::{CONNECT_TIMEOUT, ConnectOptions, cluster};
use crate::error::QueueError;

/// Longest that a connection for what others publish may take to stand; some servers of a cluster may be away.
const SUBSCRIBER_TIMEOUT: Duration = Duration::from_secs(5);

/// The connection that all quick commands of a process share: pipelined, and renewed when it breaks or when another
/// server becomes the primary. Clones are the same connection.
#[derive(Clone)]
pub struct Connection(Form);

#[derive(Clone)]
enum Form {
    One { client: Client, shared: ConnectionManager },
    Sentinel(Primary),
    Cluster { shared: ClusterConnection, opener: Opener },
}

/// What is needed to open a connection to one server.
#[derive(Debug, Clone)]
pub(super) struct Opener {
    pub(super) address: Address,
    pub(super) certificates: Certificates,
    pub(super) response_timeout: Duration,
}

impl Opener {
    /// Of every connection: what is written goes out at once. Otherwise the kernel would keep a command back until the server
    /// has confirmed the one before (Nagle's algorithm), which it may put off until it answers: nothing would travel ahead.
    pub(super) fn tcp() -> TcpSettings {
        TcpSettings::default().set_nodelay(true)
    }

    pub(super) fn client(&self, node: ConnectionInfo) -> redis::RedisResult<Client> {
        let node = node.set_tcp_settings(Self::tcp());
        if self.address.is_tls() {
            Client::build_with_tls(node, self.certificates.for_redis())
        } else {
            Client::open(node)
        }
    }

    /// For quick commands.
    pub(super) fn config(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(self.response_timeout))
    }

    /// For blocking reads: an abandoned one would still take the next item.
    pub(super) fn patient_config(&self) -> AsyncConnectionConfig {
        self.config().set_response_timeout(None)
    }

    /// Says where it could not get to, in words that hold no secret.
    pub(super) fn failed(&self, error: redis::RedisError) -> QueueError {
        match QueueError::from(error) {
            QueueError::Unavailable(why) => QueueError::Unavailable(format!("cannot reach {}: {why}", self.address)),
            other => other,
        }
    }
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// `Invalid` for an address or certificates that cannot be used, `Unavailable`, `Unsuitable` where the login is refused.
    pub async fn open(options: &ConnectOptions) -> Result<Self, QueueError> {
        let opener = Opener {
            address: Address::parse(&options.url)?.with_logins(&options.login, &options.sentinel_login),
            certificates: options.certificates.clone(),
            response_timeout: options.response_timeout,
        };
        let form = match &opener.address.topology {
            Topology::One => {
                let node = opener.address.nodes[0].clone();
                let client = opener.client(node).map_err(|error| opener.failed(error))?;
                let config = ConnectionManagerConfig::new()
                    .set_connection_timeout(Some(CONNECT_TIMEOUT))
                    .set_response_timeout(Some(options.response_timeout))
                    .set_min_delay(Duration::from_millis(50))
                    .set_max_delay(Duration::from_secs(1))
                    .set_number_of_retries(1);
                let opened = ConnectionManager::new_with_config(client.clone(), config).await;
                let shared = opened.map_err(|error| opener.failed(error))?;
                Form::One { client, shared }
            }
            Topology::Sentinel { primary } => Form::Sentinel(Primary::find(&opener, primary).await?),
            Topology::Cluster => {
                let opened = cluster::open(&opener).await;
                let shared = opened.map_err(|error| opener.failed(error))?;
                Form::Cluster { shared, opener }
            }
        };
        Ok(Self(form))
    }

    /// A connection for blocking reads of one key alone. It has no response timeout: callers put their own watchdog
    /// around each read. It breaks when its server is no longer the one to ask.
    pub(crate) async fn blocking(&self, key: &str) -> Result<Blocking, QueueError> {
        let (connection, left) = match &self.0 {
            Form::One { client, .. } => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(CONNECT_TIMEOUT))
                    .set_response_timeout(None);
                (
                    client.get_multiplexed_async_connection_with_config(&config).await?,
                    None,
                )
            }
            Form::Sentinel(primary) => primary.blocking().await?,
            Form::Cluster { shared, opener } => (cluster::owner_of(shared.clone(), opener, key).await?, None),
        };
        Ok(Blocking { connection, left })
    }

    /// A connection of its own for what others publish. It says nothing when its server falls silent: callers ask it now and
    /// then. In a cluster it is to any server, for all of them hear everything.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn subscriber(&self) -> Result<PubSub, QueueError> {
        let connecting = async {
            match &self.0 {
                Form::One { client, .. } => client.get_async_pubsub().await,
                Form::Sentinel(primary) => primary.subscriber().await,
                Form::Cluster { opener, .. } => cluster::subscriber(opener).await,
            }
        };
        match tokio::time::timeout(SUBSCRIBER_TIMEOUT, connecting).await {
            Ok(connected) => Ok(connected?),
            Err(_) => Err(QueueError::Unavailable("no answer to a new connection".to_owned())),
        }
    }

    /// Whether keys are spread over servers.
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.0, Form::Cluster { .. })
    }

    /// Asks every primary; their answers in no particular order.
    pub(crate) async fn ask_all(&self, command: &Cmd) -> redis::RedisResult<Vec<Value>> {
        match &self.0 {
            Form::Cluster { shared, .. } => cluster::ask_all(shared.clone(), command).await,
            Form::One { .. } | Form::Sentinel(_) => Ok(vec![self.clone().req_packed_command(command).await?]),
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match &mut self.0 {
            Form::One { shared, .. } => shared.req_packed_command(cmd),
            Form::Sentinel(primary) => primary.req_packed_command(cmd),
            Form::Cluster { shared, .. } => shared.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match &mut self.0 {
            Form::One { shared, .. } => shared.req_packed_commands(pipeline, offset, count),
            Form::Sentinel(primary) => primary.req_packed_commands(pipeline, offset, count),
            Form::Cluster { shared, .. } => shared.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match &self.0 {
            Form::One { shared, .. } => shared.get_db(),
            Form::Sentinel(primary) => primary.get_db(),
            Form::Cluster { .. } => 0,
        }
    }
}

/// A connection of its own to one server, for commands that block.
#[derive(Clone)]
pub(crate) struct Blocking {
    connection: MultiplexedConnection,
    left: Option<Left>,
}

impl ConnectionLike for Blocking {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(Left::before(self.left.clone(), self.connection.req_packed_command(cmd)))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let answers = self.connection.req_packed_commands(pipeline, offset, count);
        Box::pin(Left::before(self.left.clone(), answers))
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}

impl std::fmt::Debug for Blocking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blocking").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_does_not_wait_for_the_answer_to_the_one_before() {
        for url in ["redis://localhost", "rediss://localhost"] {
            let address = Address::parse(url).unwrap();
            let node = address.nodes[0].clone();
            let opener = Opener {
                address,
                certificates: Certificates::default(),
                response_timeout: CONNECT_TIMEOUT,
            };
            let client = opener.client(node).unwrap();
            assert!(client.get_connection_info().tcp_settings().nodelay(), "{url}");
        }
    }
}
