//! A Redis of several servers: three sentinels over a primary and its replicas, or a cluster.

use crate::cluster_servers::Cluster;
use crate::servers::{Sentinels, Server};

/// Servers that are found by one address. They end with it.
pub struct SeveralRedis(Servers);

enum Servers {
    Sentinel(Sentinels),
    Cluster(Cluster),
}

impl SeveralRedis {
    /// Starts a primary, two replicas and three sentinels.
    pub async fn sentinel() -> Self {
        Self(Servers::Sentinel(Sentinels::start(&[]).await))
    }

    /// Starts a cluster of three primaries with a replica each.
    pub async fn cluster() -> Self {
        Self(Servers::Cluster(Cluster::start(3, 3).await))
    }

    /// What a setting that names a Redis has to be.
    pub fn url(&self) -> String {
        match &self.0 {
            Servers::Sentinel(servers) => servers.url(),
            Servers::Cluster(servers) => servers.url(),
        }
    }

    /// SIGKILL of the first primary: another server takes its place.
    pub fn kill_a_primary(&mut self) {
        let servers: &mut Vec<Server> = match &mut self.0 {
            Servers::Sentinel(servers) => &mut servers.servers,
            Servers::Cluster(servers) => &mut servers.servers,
        };
        servers[0].kill();
    }
}
