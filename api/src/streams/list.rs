//! `GET /api/v1/streams`.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use futures_util::{StreamExt, TryStreamExt, stream};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_queue::MAX_PAGE;
use zoetrope_shared::streams::{Listed, Order, Position, StreamId};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::{Problem, StreamPage, StreamState, StreamView};

use super::standing;
use crate::app::App;
use crate::http::problem::Refusal;
use crate::http::query::Query;
use crate::limits::{DEFAULT_PAGE, MAX_STREAM_SCAN};
use crate::tenant::Caller;

const FILTERS: [&str; 6] = ["state", "name", "tag", "order", "limit", "cursor"];
/// Longest text of a filter, bytes.
const MAX_FILTER_BYTES: usize = 256;
/// Tasks that are asked after at a time.
const AT_A_TIME: usize = 32;

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_streams))
}

/// What is wanted of a list.
struct Wanted {
    state: Option<StreamState>,
    /// In lower case.
    name: Option<String>,
    tag: Option<String>,
    limit: usize,
}

/// List streams
///
/// Newest first unless `order` says otherwise. A page may be shorter than the limit although more follow: `next_cursor` tells.
#[utoipa::path(get, path = "/api/v1/streams", tag = "streams",
    params(
        ("state" = Option<String>, Query, description = "Only streams in this state: `connecting`, `connected`, `reconnecting`, `stopped` or `error`"),
        ("name" = Option<String>, Query, description = "Only streams whose name contains this, in whatever case"),
        ("tag" = Option<String>, Query, description = "Only streams with this tag"),
        ("order" = Option<String>, Query, description = "`newest` (default) or `oldest` first"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "1 to 200, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "One page", body = StreamPage),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn list_streams(State(app): State<App>, Caller(tenant): Caller, uri: Uri) -> Result<Json<StreamPage>, Refusal> {
    let query = Query::of(&uri, &FILTERS)?;
    let wanted = Wanted {
        state: query.read("state", state)?,
        name: query.read("name", short)?.map(|name| name.to_lowercase()),
        tag: query.read("tag", short)?,
        limit: query.read("limit", limit)?.unwrap_or(DEFAULT_PAGE),
    };
    let mut from = Position {
        order: query.read("order", order)?.unwrap_or_default(),
        after: query.read("cursor", cursor)?,
    };
    let (mut items, mut looked_at) = (Vec::new(), 0);
    while looked_at < MAX_STREAM_SCAN {
        let count = if wanted.is_all() { wanted.limit } else { MAX_PAGE };
        let found = app.streams.page(&tenant, from, count).await?;
        let is_last = found.len() < count;
        looked_at += count;
        for (id, view) in views(&app, &tenant, found).await? {
            if items.len() == wanted.limit {
                return Ok(page(items, from.after));
            }
            from.after = Some(id);
            items.extend(Some(view).filter(|view| wanted.takes(view)));
        }
        if is_last {
            from.after = None;
            break;
        }
        if items.len() == wanted.limit {
            break;
        }
    }
    Ok(page(items, from.after))
}

fn page(items: Vec<StreamView>, after: Option<StreamId>) -> Json<StreamPage> {
    Json(StreamPage {
        items,
        next_cursor: after.map(|id| id.to_string()),
    })
}

impl Wanted {
    fn is_all(&self) -> bool {
        self.state.is_none() && self.name.is_none() && self.tag.is_none()
    }

    fn takes(&self, stream: &StreamView) -> bool {
        let named = |part: &String| stream.name.to_lowercase().contains(part);
        self.state.is_none_or(|state| stream.state == state)
            && self.name.as_ref().is_none_or(named)
            && self.tag.as_ref().is_none_or(|tag| stream.tags.contains(tag))
    }
}

/// Each as it stands, in the same order.
async fn views(app: &App, tenant: &Tenant, found: Vec<Listed>) -> Result<Vec<(StreamId, StreamView)>, Refusal> {
    let looked = found.into_iter().map(|listed| look(app, tenant, listed));
    stream::iter(looked).buffered(AT_A_TIME).try_collect().await
}

async fn look(app: &App, tenant: &Tenant, listed: Listed) -> Result<(StreamId, StreamView), Refusal> {
    let standing = standing::of(app, tenant, &listed).await?;
    let view = StreamView::of(listed.id, &listed.record, standing.state, standing.cause);
    Ok((listed.id, view))
}

fn state(text: &str) -> Result<StreamState, String> {
    let words = StreamState::ALL.map(StreamState::as_str).join(", ");
    StreamState::parse(text).ok_or_else(|| format!("use one of {words}"))
}

fn order(text: &str) -> Result<Order, String> {
    match text {
        "newest" => Ok(Order::Newest),
        "oldest" => Ok(Order::Oldest),
        _ => Err("use newest or oldest".to_owned()),
    }
}

fn short(text: &str) -> Result<String, String> {
    match text.len() {
        0..=MAX_FILTER_BYTES => Ok(text.to_owned()),
        _ => Err(format!("it is longer than {MAX_FILTER_BYTES} bytes")),
    }
}

fn limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit));
    limit.ok_or_else(|| format!("use an integer from 1 to {MAX_PAGE}"))
}

fn cursor(text: &str) -> Result<StreamId, String> {
    StreamId::parse(text).map_err(|_| "use `next_cursor` of the page before".to_owned())
}
