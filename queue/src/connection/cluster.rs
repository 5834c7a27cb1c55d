//! Redis Cluster: the shared connection, which follows redirections, and a server's own for reads that block.

use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::{Cmd, ConnectionAddr, FromRedisValue, RedisResult, Value};

use super::CONNECT_TIMEOUT;
use super::shared::Opener;

/// Pauses between attempts at a slot that moves, or at a cluster that chooses a new primary, milliseconds.
const RETRY_MS: (u64, u64) = (20, 500);
const RETRY_BASE: u64 = 2;
/// Attempts. The response timeout ends the wait of whoever asked, but not the attempts of the connection itself.
const RETRIES: u32 = 24;
/// The client computes this power without a check: beyond 63 attempts it took the connection's task with it.
const _: () = assert!(
    RETRY_BASE.checked_pow(RETRIES).is_some(),
    "the longest pause must be a number"
);

pub(super) async fn open(opener: &Opener) -> RedisResult<ClusterConnection> {
    let mut builder = ClusterClientBuilder::new(opener.address.nodes.clone())
        .tcp_settings(Opener::tcp())
        .connection_timeout(CONNECT_TIMEOUT)
        .response_timeout(opener.response_timeout)
        .overall_response_timeout(Some(opener.response_timeout))
        .min_retry_wait(RETRY_MS.0)
        .max_retry_wait(RETRY_MS.1)
        .retry_wait_formula(1, RETRY_BASE)
        .retries(RETRIES);
    if opener.address.is_tls() {
        builder = builder.certs(opener.certificates.for_redis());
    }
    let connecting = async { builder.build()?.get_async_connection().await };
    let limit = CONNECT_TIMEOUT + Duration::from_secs(1);
    tokio::time::timeout(limit, connecting)
        .await
        .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?
}

/// Asks every primary.
pub(super) async fn ask_all(mut cluster: ClusterConnection, command: &Cmd) -> RedisResult<Vec<Value>> {
    let everywhere = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
    let answers = cluster.route_command(command.clone(), everywhere).await?;
    Ok(match answers {
        Value::Map(pairs) => pairs.into_iter().map(|(_, answer)| answer).collect(),
        Value::Array(answers) => answers,
        other => vec![other],
    })
}

/// Connects to the first server that answers, for what is published anywhere.
pub(super) async fn subscriber(opener: &Opener) -> RedisResult<PubSub> {
    let mut failed = std::io::Error::from(std::io::ErrorKind::NotConnected).into();
    for node in &opener.address.nodes {
        let connecting = async { opener.client(node.clone())?.get_async_pubsub().await };
        match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(error)) => failed = error,
            Err(_) => failed = std::io::Error::from(std::io::ErrorKind::TimedOut).into(),
        }
    }
    Err(failed)
}

/// Connects to the primary that holds a key. The shared connection cannot block: others wait behind it.
pub(super) async fn owner_of(
    mut cluster: ClusterConnection,
    opener: &Opener,
    key: &str,
) -> RedisResult<MultiplexedConnection> {
    let slot: u64 = redis::cmd("CLUSTER")
        .arg("KEYSLOT")
        .arg(key)
        .query_async(&mut cluster)
        .await?;
    let ranges: Vec<Vec<Value>> = redis::cmd("CLUSTER").arg("SLOTS").query_async(&mut cluster).await?;
    let owner = ranges.into_iter().find_map(|range| place_in(range, slot));
    let (host, port) = owner.ok_or_else(|| std::io::Error::other(format!("no server holds slot {slot}")))?;
    let mut node = opener.address.nodes[0].clone();
    let addr = match node.addr().clone() {
        ConnectionAddr::TcpTls {
            insecure, tls_params, ..
        } => ConnectionAddr::TcpTls {
            host,
            port,
            insecure,
            tls_params,
        },
        _ => ConnectionAddr::Tcp(host, port),
    };
    node = node.set_addr(addr);
    let config = opener.patient_config();
    opener
        .client(node)?
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

/// `start, end, [host, port, ...], replicas...`.
fn place_in(range: Vec<Value>, slot: u64) -> Option<(String, u16)> {
    let mut fields = range.into_iter();
    let mut number = || u64::from_redis_value(fields.next()?).ok();
    let (start, end) = (number()?, number()?);
    let Some(Value::Array(primary)) = fields.next() else {
        return None;
    };
    let mut primary = primary.into_iter();
    let host = String::from_redis_value(primary.next()?).ok()?;
    let port = u16::from_redis_value(primary.next()?).ok()?;
    (start..=end).contains(&slot).then_some((host, port))
}
