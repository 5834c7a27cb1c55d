//! `GET /api/v1/tasks/{id}/events`: one task as server-sent events.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_shared::wire::Problem;

use crate::app::App;
use crate::auth::Identity;
use crate::http::problem::Refusal;
use crate::http::query::Query;
use crate::limits::LIVE_HEARTBEAT;
use crate::live::buffered::{Buffer, Counted};
use crate::live::feed::{Event, Feed, Then};

/// Where a browser that lost the stream says where it was.
const LAST_EVENT_ID: &str = "last-event-id";

/// One event; the stream has its fields line by line.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is only described")]
struct EventOnTheWire {
    /// Position in the task's output.
    #[schema(pattern = "^[0-9]+$")]
    id: String,
    /// `state`, `progress`, `output` or `done`.
    event: EventKind,
    /// A JSON object: `type`, `seq`, `task_id`, `state`, and `task`, `progress` or `chunk`.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// Kinds of events.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "it is only described")]
enum EventKind {
    /// The task is in another state.
    State,
    /// An attempt has come further.
    Progress,
    /// An attempt has said something.
    Output,
    /// The task has ended.
    Done,
}

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(task_events))
}

/// Follow a task
///
/// Server-sent events: first `state` with the task as it stands, then `state`, `progress` and `output` as they happen,
/// and `done` with the ended task, after which the stream ends. Each has `id: <seq>`, a position in the task's output:
/// a client that comes back with it as `Last-Event-ID` or `since` gets every later chunk once. A comment comes when
/// nothing has happened for 15 s. A client that reads slowly gets the newest progress only, with `dropped`, the
/// number of reports that were left out; output waits for it.
#[utoipa::path(get, path = "/api/v1/tasks/{id}/events", tag = "live",
    params(
        ("id" = String, Path, description = "The task"),
        ("since" = Option<u64>, Query, description = "Only output after this `seq`; `Last-Event-ID` wins"),
        ("Last-Event-ID" = Option<u64>, Header, description = "The `id` of the last event that arrived"),
    ),
    responses(
        (status = 200, description = "Events", body = EventOnTheWire, content_type = "text/event-stream"),
        (status = 404, description = "No such task", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away, or too many streams are open", body = Problem, content_type = "application/problem+json"),
    ))]
async fn task_events(
    State(app): State<App>,
    identity: Identity,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let since = Query::of(&uri, &["since"])?.read("since", position)?.unwrap_or(0);
    let since = last_seen(&headers)?.unwrap_or(since);
    let feed = Feed::open(&app, &identity, &id, since).await?;
    let place = app.live_places.clone().try_acquire_owned();
    let live = &app.metrics.live;
    let stream = EventStream {
        feed,
        buffer: Buffer::new(&live.buffered_bytes),
        then: Then::More,
        stopping: app.stopping.clone(),
        _counted: Counted::one(&live.streams),
        _place: place.map_err(|_| Refusal::overloaded("too many live clients: poll the task instead"))?,
    };
    let body = Body::from_stream(stream::unfold(stream, |mut stream| async move {
        let piece = stream.piece().await?;
        Some((Ok::<_, Infallible>(piece), stream))
    }));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    // Proxies that collect answers would hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// Where the client was when it lost the stream.
fn last_seen(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(value) = headers.get(LAST_EVENT_ID) else {
        return Ok(None);
    };
    let read = position(value.to_str().unwrap_or_default().trim());
    read.map(Some)
        .map_err(|detail| Refusal::invalid("Last-Event-ID", detail))
}

/// A position in a task's output: 63 bits, as the document says.
pub(crate) fn position(text: &str) -> Result<u64, String> {
    let position = text.parse().ok().filter(|position| i64::try_from(*position).is_ok());
    position.ok_or_else(|| "use the `seq` of an earlier event".to_owned())
}

/// An open stream. It works only when the connection takes a piece, so a slow reader costs one page.
struct EventStream {
    feed: Feed,
    buffer: Buffer,
    then: Then,
    stopping: CancellationToken,
    _counted: Counted,
    _place: OwnedSemaphorePermit,
}

impl EventStream {
    /// The next bytes; `None` at the end.
    async fn piece(&mut self) -> Option<Bytes> {
        let quiet_until = Instant::now() + LIVE_HEARTBEAT;
        loop {
            if let Some(event) = self.buffer.taken() {
                return Some(framed(&event));
            }
            if matches!(self.then, Then::End | Then::Revoked) {
                return None;
            }
            let changed = self.feed.changed();
            match self.feed.look().await {
                Ok(look) => {
                    self.then = look.then;
                    self.buffer.fill(look.events);
                    if self.then != Then::Wait || self.buffer.front().is_some() {
                        continue;
                    }
                }
                // Redis is away: the client keeps its place, and a later look tells what it has missed.
                Err(error) => tracing::debug!(%error, "api.events.unreadable: {}", self.feed.name()),
            }
            tokio::select! {
                biased;
                () = self.stopping.cancelled() => return None,
                () = changed => {}
                () = tokio::time::sleep_until(quiet_until) => return Some(Bytes::from_static(b": nothing new\n\n")),
            }
        }
    }
}

/// An event as the wire has it. A chunk may be JSON over several lines.
fn framed(event: &Event) -> Bytes {
    let mut text = format!("id: {}\nevent: {}\n", event.seq, event.kind);
    for line in event.data.split(['\n', '\r']) {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    Bytes::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_over_several_lines_stays_one_event() {
        let event = Event {
            kind: "output",
            seq: 7,
            data: "{\n\"a\": 1}".to_owned(),
        };
        assert_eq!(framed(&event), "id: 7\nevent: output\ndata: {\ndata: \"a\": 1}\n\n");
    }
}
