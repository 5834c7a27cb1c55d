//! Artifacts that a request has stored and no task points at yet. Whatever ends the request before its task is on its
//! way to Redis (a refusal, a client that goes away, a panic) removes them again.

use tokio_util::task::TaskTracker;
use zoetrope_shared::artifacts::Artifacts;
use zoetrope_shared::tenant::Tenant;

/// The artifacts of one request. Dropping it removes them, unless they were let go.
#[derive(Debug)]
pub(crate) struct Held {
    artifacts: Artifacts,
    removals: TaskTracker,
    tenant: Tenant,
    ids: Vec<String>,
    let_go: bool,
}

impl Held {
    /// Nothing yet. `removals` is awaited when the process ends.
    pub(crate) fn new(artifacts: Artifacts, removals: TaskTracker, tenant: Tenant) -> Self {
        Self {
            artifacts,
            removals,
            tenant,
            ids: Vec::new(),
            let_go: false,
        }
    }

    /// Takes charge of an artifact.
    pub(crate) fn add(&mut self, artifact: impl Into<String>) {
        self.ids.push(artifact.into());
    }

    /// From now on something may point at them: a task that is sent to Redis is there even if its client goes away
    /// before the answer. Only an answer that says otherwise still allows [`Held::discard`].
    pub(crate) fn let_go(&mut self) {
        self.let_go = true;
    }

    /// Nothing points at them: removes them and waits for it, so that nothing is left when the refusal is read.
    pub(crate) async fn discard(&mut self) {
        self.let_go = false;
        // One by one, and forgotten only afterwards: if this future is dropped half-way, `drop` removes the rest.
        while let Some(id) = self.ids.last().cloned() {
            remove(&self.artifacts, &self.tenant, &id).await;
            self.ids.pop();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let ids = std::mem::take(&mut self.ids);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if self.let_go || ids.is_empty() {
            return;
        }
        let (artifacts, tenant) = (self.artifacts.clone(), self.tenant.clone());
        let removal = async move {
            for id in ids {
                remove(&artifacts, &tenant, &id).await;
            }
        };
        self.removals.spawn_on(removal, &runtime);
    }
}

async fn remove(artifacts: &Artifacts, tenant: &Tenant, id: &str) {
    if let Err(error) = artifacts.delete(tenant, id).await {
        tracing::warn!(%error, artifact = id, "api.artifact.left_behind: cannot remove it, it goes when it expires");
    }
}
