//! How much all recordings of a tenant may take together: of what is more, the oldest hour goes first, whosever it is.

use super::index::{Recording, StoredRecording};
use super::keep::{Keep, keep_within};
use super::store::Recordings;
use crate::tenant::Tenant;
use zoetrope_queue::Queue;

/// What is freed beyond need, as a part of the cap: who is at its cap would otherwise look for its oldest hour with every segment.
const SLACK: u64 = 100;

/// Deletes the oldest of what a tenant has recorded until it is within its cap; the answer is the bytes that were freed. Of
/// the recording with the oldest hour, the oldest segments of that hour go first. Any number of processes may do so at once.
///
/// # Errors
/// When the queue or the store does not answer.
pub async fn keep_tenant_within(
    queue: &Queue,
    store: &Recordings,
    tenant: &Tenant,
    cap: u64,
    now_ms: u64,
) -> anyhow::Result<u64> {
    let target = cap - cap / SLACK;
    let mut total = queue.journals_weight(tenant.as_str()).await?;
    if total <= cap {
        return Ok(0);
    }
    let mut freed = 0;
    // Recordings that somebody reads are passed over.
    let mut held: Vec<String> = Vec::new();
    while total > target {
        let Some(oldest) = oldest_hour(queue, tenant, &held).await? else {
            break;
        };
        let recording = Recording {
            queue,
            store,
            tenant,
            stream: &oldest.stream,
        };
        let keep = Keep {
            age_ms: u64::MAX,
            bytes: oldest.all.saturating_sub((total - target).min(oldest.weight.max(1))),
        };
        match keep_within(&recording, keep, now_ms).await? {
            0 => held.push(oldest.stream),
            some => {
                freed += some;
                total = queue.journals_weight(tenant.as_str()).await?;
            }
        }
    }
    Ok(freed)
}

/// Of a tenant's recordings but for those that are held, the one with the oldest hour.
async fn oldest_hour(queue: &Queue, tenant: &Tenant, held: &[String]) -> anyhow::Result<Option<Oldest>> {
    let mut oldest: Option<Oldest> = None;
    for stored in StoredRecording::all(queue).await? {
        if stored.tenant != *tenant || held.contains(&stored.stream) {
            continue;
        }
        let pages = queue.journal_pages(tenant.as_str(), &stored.stream).await?;
        let Some((page, weight)) = pages.first_key_value() else {
            continue;
        };
        if oldest.as_ref().is_none_or(|oldest| *page < oldest.page) {
            oldest = Some(Oldest {
                page: *page,
                weight: *weight,
                all: pages.values().sum(),
                stream: stored.stream,
            });
        }
    }
    Ok(oldest)
}

/// The recording with the oldest hour.
struct Oldest {
    page: u64,
    /// Of that hour.
    weight: u64,
    /// Of all hours.
    all: u64,
    stream: String,
}
