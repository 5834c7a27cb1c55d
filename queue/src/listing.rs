//! Listing a tenant's tasks: the index gives the order, filters are applied to the tasks read, a page is bounded.

use redis::Value;

use crate::connection::Link;
use crate::error::QueueError;
use crate::id::TaskId;
use crate::task::{ListQuery, Page, Task};
use crate::{MAX_PAGE, reading};

/// Tasks read by one script call: with specs and results at their limits it moves at most 6 MiB.
const CHUNK: usize = 50;
/// Tasks looked at for one page. A rare filter then gives short pages with a cursor rather than a long wait.
const MAX_SCANNED: usize = 2_000;

pub(crate) async fn list(link: &Link, tenant: &str, query: &ListQuery) -> Result<Page, QueueError> {
    if !(1..=MAX_PAGE).contains(&query.limit) {
        return Err(QueueError::invalid("limit", format!("must be 1 to {MAX_PAGE}")));
    }
    let text = query.text.as_deref().map(str::to_lowercase);
    let mut cursor = query.cursor.as_deref().map(Cursor::parse).transpose()?;
    let mut items = Vec::new();
    let mut scanned = 0;
    while scanned < MAX_SCANNED {
        let (entries, tasks) = read_chunk(link, tenant, cursor.as_ref()).await?;
        scanned += entries.len();
        let last_chunk = entries.len() < CHUNK;
        let next = tasks.last().map(Cursor::of).or_else(|| entries.last().copied());
        for task in tasks {
            let at = Cursor::of(&task);
            // They come again where the cursor's task was pruned.
            if cursor.is_some_and(|last| at.created_at_ms > last.created_at_ms) {
                continue;
            }
            if query.created_after_ms.is_some_and(|after| at.created_at_ms < after) {
                return Ok(Page {
                    items,
                    next_cursor: None,
                });
            }
            if matches(&task, query, text.as_deref()) {
                items.push(task);
                if items.len() == query.limit {
                    return Ok(Page {
                        items,
                        next_cursor: Some(at.to_string()),
                    });
                }
            }
        }
        if last_chunk {
            return Ok(Page {
                items,
                next_cursor: None,
            });
        }
        cursor = next;
    }
    Ok(Page {
        items,
        next_cursor: cursor.map(|at| at.to_string()),
    })
}

/// The last task of a page, and when it was created, or the page of its tenant's list was begun on which it stands.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    id: TaskId,
    created_at_ms: u64,
}

impl Cursor {
    fn of(task: &Task) -> Self {
        Self {
            id: task.id,
            created_at_ms: task.created_at_ms,
        }
    }

    fn parse(text: &str) -> Result<Self, QueueError> {
        let parts = text
            .split_once('-')
            .and_then(|(id, ms)| Some((id.parse().ok()?, ms.parse().ok()?)));
        let (id, created_at_ms) = parts.ok_or_else(|| QueueError::invalid("cursor", "is not one of this API"))?;
        Ok(Self { id, created_at_ms })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.id, self.created_at_ms)
    }
}

async fn read_chunk(link: &Link, tenant: &str, after: Option<&Cursor>) -> Result<(Vec<Cursor>, Vec<Task>), QueueError> {
    let args = [
        tenant.to_owned(),
        after.map(|at| at.id.to_string()).unwrap_or_default(),
        after.map(|at| at.created_at_ms.to_string()).unwrap_or_default(),
        CHUNK.to_string(),
    ];
    let (entries, tasks): (Vec<(String, String)>, Vec<Value>) =
        link.call(link.shard_of(tenant), &link.scripts.list, &args).await?;
    let entries = entries
        .into_iter()
        .map(|(id, ms)| Cursor::parse(&format!("{id}-{ms}")))
        .collect::<Result<_, _>>()?;
    let tasks = tasks
        .iter()
        .filter_map(|reply| reading::task(reply).transpose())
        .collect::<Result<_, _>>()?;
    Ok((entries, tasks))
}

fn matches(task: &Task, query: &ListQuery, text: Option<&str>) -> bool {
    query.state.is_none_or(|state| task.state == state)
        && query.kind.as_ref().is_none_or(|kind| task.kind == *kind)
        && query.tag.as_ref().is_none_or(|tag| task.tags.contains(tag))
        && query
            .fairness_key
            .as_ref()
            .is_none_or(|key| task.fairness_key.as_ref() == Some(key))
        && text.is_none_or(|text| contains(task, text))
}

fn contains(task: &Task, text: &str) -> bool {
    let metadata = task.metadata.as_ref().map_or("", |json| json.get());
    task.id.as_str().contains(text)
        || task.kind.contains(text)
        || task.tags.iter().any(|tag| tag.to_lowercase().contains(text))
        || metadata.to_lowercase().contains(text)
}
