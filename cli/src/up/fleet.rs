//! All children of one `zoetrope up`, in tiers that are ended one after the other.

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::service::Service;

/// Which children end together.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tier {
    /// Ends first: no new work comes in.
    Api,
    /// Then the workers finish what they run, while Redis still takes their results.
    Workers,
    /// Redis ends last.
    Redis,
}

/// The running children.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    /// In the order in which they end.
    tiers: [Members; 3],
}

#[derive(Debug, Default)]
struct Members {
    stop: CancellationToken,
    running: JoinSet<()>,
}

impl Fleet {
    /// Starts a child and keeps it alive; the answer counts its deaths.
    pub(super) fn start(&mut self, tier: Tier, service: Service) -> watch::Receiver<u32> {
        let (deaths, count) = watch::channel(0);
        let members = &mut self.tiers[tier as usize];
        members.running.spawn(service.run(members.stop.clone(), deaths));
        count
    }

    /// Ends every child, tier by tier. Each takes at most its grace.
    pub(super) async fn stop(mut self) {
        for members in &mut self.tiers {
            members.stop.cancel();
            while members.running.join_next().await.is_some() {}
        }
    }
}
