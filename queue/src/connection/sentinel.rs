//! The primary that sentinels name. One task keeps the connection to it; when the sentinels announce another, or the
//! server says that it is none, the old connection is dropped at once, with everything that waits on it: a primary that
//! was cut off still takes writes, and loses them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::{ConnectionLike, MultiplexedConnection, PubSub};
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{Client, Cmd, ConnectionInfo, Pipeline, RedisError, RedisFuture, RedisResult, TlsMode, Value};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::shared::Opener;
use super::{CONNECT_TIMEOUT, random_u64};
use crate::error::QueueError;

/// Longest wait of a request for a primary, while there is none.
const PRIMARY_WAIT: Duration = Duration::from_secs(1);
/// Pause before the sentinels are asked again, and as much again at random.
const SEARCH_PAUSE: Duration = Duration::from_millis(50);
/// Pause before a sentinel that went away is listened to again.
const LISTEN_PAUSE: Duration = Duration::from_secs(1);

/// The primary as it is known.
#[derive(Clone)]
enum Known {
    Away(Arc<str>),
    Here(Box<Here>),
}

#[derive(Clone)]
struct Here {
    /// Rises with every connection.
    generation: u64,
    client: Client,
    connection: MultiplexedConnection,
}

impl Known {
    fn is(&self, generation: u64) -> bool {
        matches!(self, Self::Here(here) if here.generation == generation)
    }
}

/// A connection to whichever server is the primary. Clones share it.
#[derive(Clone)]
pub(super) struct Primary {
    known: watch::Receiver<Known>,
    /// The newest generation that was found broken.
    broken: Arc<watch::Sender<u64>>,
    opener: Opener,
    /// Ends with the last clone.
    _keepers: Arc<JoinSet<()>>,
}

impl Primary {
    /// Asks the sentinels and connects; goes on keeping the connection.
    pub(super) async fn find(opener: &Opener, name: &str) -> Result<Self, QueueError> {
        let mut sentinels = sentinels(opener, name).map_err(|error| opener.failed(error))?;
        let (switched, broken) = (Arc::new(Notify::new()), Arc::new(watch::Sender::new(0)));
        let mut keepers = JoinSet::new();
        // Listening begins before the first search, so that no switch falls between the two.
        for node in &opener.address.nodes {
            let client = opener.client(node.clone()).map_err(|error| opener.failed(error))?;
            keepers.spawn(listen(client, name.to_owned(), Arc::clone(&switched)));
        }
        let first = search(&mut sentinels, opener, 1).await?;
        let (tell, known) = watch::channel(Known::Here(Box::new(first)));
        let keeper = Keeper {
            sentinels,
            opener: opener.clone(),
            tell,
            switched,
            broken: broken.subscribe(),
        };
        keepers.spawn(keeper.keep());
        Ok(Self {
            known,
            broken,
            opener: opener.clone(),
            _keepers: Arc::new(keepers),
        })
    }

    pub(super) async fn blocking(&self) -> RedisResult<(MultiplexedConnection, Option<Left>)> {
        let here = self.here().await?;
        let config = self.opener.patient_config();
        let connection = here
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let left = Left {
            known: self.known.clone(),
            generation: here.generation,
        };
        Ok((connection, Some(left)))
    }

    pub(super) async fn subscriber(&self) -> RedisResult<PubSub> {
        self.here().await?.client.get_async_pubsub().await
    }

    async fn here(&self) -> RedisResult<Here> {
        let mut known = self.known.clone();
        let found = timeout(PRIMARY_WAIT, known.wait_for(|known| matches!(known, Known::Here(_)))).await;
        if let Ok(Ok(known)) = found
            && let Known::Here(here) = &*known
        {
            return Ok(Here::clone(here));
        }
        match &*self.known.borrow() {
            Known::Away(why) => Err(away(why)),
            Known::Here(here) => Ok(Here::clone(here)),
        }
    }

    /// The connection, and what tells when it is of no more use.
    async fn take(&self) -> RedisResult<(MultiplexedConnection, Left)> {
        let here = self.here().await?;
        let left = Left {
            known: self.known.clone(),
            generation: here.generation,
        };
        Ok((here.connection, left))
    }

    /// Passes an answer on; one that shows the connection to be broken is told to its keeper.
    fn noting<T>(&self, generation: u64, answer: RedisResult<T>) -> RedisResult<T> {
        if answer.as_ref().is_err_and(ends_connection) {
            self.broken.send_modify(|broken| *broken = generation.max(*broken));
        }
        answer
    }
}

impl ConnectionLike for Primary {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let (mut connection, left) = self.take().await?;
            let generation = left.generation;
            self.noting(
                generation,
                Left::before(Some(left), connection.req_packed_command(cmd)).await,
            )
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let (mut connection, left) = self.take().await?;
            let generation = left.generation;
            let answers = connection.req_packed_commands(pipeline, offset, count);
            self.noting(generation, Left::before(Some(left), answers).await)
        })
    }

    fn get_db(&self) -> i64 {
        self.opener.address.db
    }
}

/// Whether the connection is of no more use, or its server no primary.
fn ends_connection(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || error
            .code()
            .is_some_and(|code| code == "READONLY" || code == "MASTERDOWN")
}

/// Tells when a connection's server stops being the primary.
#[derive(Clone)]
pub(super) struct Left {
    known: watch::Receiver<Known>,
    generation: u64,
}

impl Left {
    /// The answer, unless the server is left before it comes.
    pub(super) async fn before<T>(left: Option<Self>, answer: RedisFuture<'_, T>) -> RedisResult<T> {
        let Some(Self { mut known, generation }) = left else {
            return answer.await;
        };
        tokio::select! {
            biased;
            answer = answer => answer,
            _ = known.wait_for(|known| !known.is(generation)) => Err(away("another server becomes the primary")),
        }
    }
}

fn away(why: &str) -> RedisError {
    std::io::Error::new(std::io::ErrorKind::ConnectionReset, why.to_owned()).into()
}

/// The one that connects.
struct Keeper {
    sentinels: SentinelClient,
    opener: Opener,
    tell: watch::Sender<Known>,
    switched: Arc<Notify>,
    broken: watch::Receiver<u64>,
}

impl Keeper {
    async fn keep(mut self) {
        let mut generation = 1;
        loop {
            tokio::select! {
                () = self.switched.notified() => {}
                _ = self.broken.wait_for(|broken| *broken >= generation) => {}
            }
            self.tell.send_replace(Known::Away("no primary is known".into()));
            generation += 1;
            loop {
                match search(&mut self.sentinels, &self.opener, generation).await {
                    Ok(here) => {
                        tracing::info!("the primary is {}", here.client.get_connection_info().addr());
                        self.tell.send_replace(Known::Here(Box::new(here)));
                        break;
                    }
                    Err(error) => {
                        tracing::debug!("look for the primary: {error:#}");
                        let why = match error {
                            QueueError::Unavailable(why) => why,
                            other => other.to_string(),
                        };
                        self.tell.send_replace(Known::Away(why.into()));
                    }
                }
                sleep(SEARCH_PAUSE + Duration::from_millis(random_u64() % 50)).await;
            }
        }
    }
}

/// Asks the sentinels for the primary, makes sure that it knows itself to be one, and connects.
async fn search(sentinels: &mut SentinelClient, opener: &Opener, generation: u64) -> Result<Here, QueueError> {
    let connecting = async {
        let client = sentinels.async_get_client().await?;
        let config = opener.config();
        let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(Here {
            generation,
            client,
            connection,
        })
    };
    match timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(found) => found.map_err(|error| opener.failed(error)),
        Err(_) => Err(QueueError::Unavailable(format!("no answer from {}", opener.address))),
    }
}

fn sentinels(opener: &Opener, name: &str) -> RedisResult<SentinelClient> {
    let nodes: Vec<ConnectionInfo> = opener.address.nodes.clone();
    let addresses = nodes.iter().map(|node| node.addr().clone());
    let mut builder = SentinelClientBuilder::new(addresses, name, SentinelServerType::Master)?
        .set_client_to_redis_tcp_settings(Opener::tcp())
        .set_client_to_sentinel_tcp_settings(Opener::tcp());
    let login = &opener.address.login;
    if let Some(username) = &login.username {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(password) = &login.password {
        builder = builder.set_client_to_redis_password(password);
    }
    let own = nodes[0].redis_settings();
    if let Some(username) = own.username() {
        builder = builder.set_client_to_sentinel_username(username);
    }
    if let Some(password) = own.password() {
        builder = builder.set_client_to_sentinel_password(password);
    }
    if opener.address.is_tls() {
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_redis_certificates(opener.certificates.for_redis())
            .set_client_to_sentinel_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_certificates(opener.certificates.for_redis());
    }
    builder.set_client_to_redis_db(opener.address.db).build()
}

/// Follows what one sentinel announces, through its restarts.
async fn listen(sentinel: Client, primary: String, switched: Arc<Notify>) {
    loop {
        if let Err(error) = follow(&sentinel, &primary, &switched).await {
            tracing::debug!("listen to a sentinel: {error:#}");
        }
        sleep(LISTEN_PAUSE).await;
    }
}

/// `+switch-master` says: name, old host, old port, new host, new port.
async fn follow(sentinel: &Client, primary: &str, switched: &Notify) -> RedisResult<()> {
    let late = |_| std::io::Error::from(std::io::ErrorKind::TimedOut);
    let mut announced = timeout(CONNECT_TIMEOUT, sentinel.get_async_pubsub())
        .await
        .map_err(late)??;
    timeout(CONNECT_TIMEOUT, announced.subscribe("+switch-master"))
        .await
        .map_err(late)??;
    let mut messages = announced.on_message();
    while let Some(message) = messages.next().await {
        let text: String = message.get_payload()?;
        if text.split(' ').next() == Some(primary) {
            switched.notify_one();
        }
    }
    Ok(())
}
