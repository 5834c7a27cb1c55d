//! One WebSocket client: its subscriptions in turn, a page at a time, each sent before the next is read.

use std::collections::{HashMap, VecDeque};

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::FuturesUnordered;
use futures_util::{Sink, SinkExt, StreamExt};
use tokio::time::{Instant, timeout};

use crate::app::App;
use crate::auth::Identity;
use crate::http::problem::Refusal;
use crate::limits::{LIVE_CLOSE_GRACE, LIVE_HEARTBEAT, LIVE_STALL, MAX_LIVE_SUBSCRIPTIONS, MAX_SOCKET_MESSAGE_BYTES};
use crate::live::buffered::{Buffer, Counted};
use crate::live::feed::{Feed, Then};
use crate::live::message::{Asked, Notice};

/// Names a subscription of one client; a task that is subscribed to again gets another one.
type Serial = u64;

/// One client.
pub(crate) struct Client {
    app: App,
    identity: Identity,
    since: u64,
    feeds: HashMap<Serial, Feed>,
    next: Serial,
    /// Subscriptions worth a look, in turn.
    ready: VecDeque<Serial>,
    /// The others, each until its task changes.
    waiting: FuturesUnordered<BoxFuture<'static, Serial>>,
    buffer: Buffer,
    heard: Instant,
    _counted: Counted,
}

/// Why a connection ends: with a word to the client, or because it is gone.
enum End {
    Say(u16, String),
    Gone,
}

impl Client {
    /// Nothing is followed yet. Subscriptions without a position of their own begin at `since`.
    pub(crate) fn new(app: App, identity: Identity, since: u64) -> Self {
        Self {
            identity,
            since,
            feeds: HashMap::new(),
            next: 0,
            ready: VecDeque::new(),
            waiting: FuturesUnordered::new(),
            buffer: Buffer::new(&app.metrics.live.buffered_bytes),
            heard: Instant::now(),
            _counted: Counted::one(&app.metrics.live.sockets),
            app,
        }
    }

    /// Serves until either side ends it.
    pub(crate) async fn serve(mut self, mut socket: WebSocket) {
        if let Err(End::Say(code, reason)) = self.talk(&mut socket).await {
            let reason = reason.into();
            let close = Message::Close(Some(CloseFrame { code, reason }));
            // A client that reads nothing will not read this either: it is not waited for longer.
            let _ = timeout(LIVE_CLOSE_GRACE, SinkExt::send(&mut socket, close)).await;
        }
    }

    async fn talk(&mut self, socket: &mut WebSocket) -> Result<std::convert::Infallible, End> {
        let stopping = self.app.stopping.clone();
        let mut heartbeat = tokio::time::interval(LIVE_HEARTBEAT);
        loop {
            self.flush(socket).await?;
            tokio::select! {
                () = stopping.cancelled() => {
                    return Err(End::Say(close_code::AWAY, "the server stops: connect again and resume".to_owned()));
                }
                message = socket.recv() => self.hear(message, socket).await?,
                Some(serial) = self.waiting.next() => self.ready.push_back(serial),
                () = std::future::ready(()), if !self.ready.is_empty() => self.look().await?,
                _ = heartbeat.tick() => {
                    if self.heard.elapsed() > LIVE_HEARTBEAT * 3 {
                        return Err(End::Gone);
                    }
                    send(socket, Message::Ping(Vec::new().into())).await?;
                }
            }
        }
    }

    /// Sends what was read. A client that takes nothing for `LIVE_STALL` is cut off: it resumes where it was.
    async fn flush(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        while let Some(event) = self.buffer.front() {
            let (text, seq) = (event.data.clone(), event.seq);
            match send(socket, Message::text(text)).await {
                Err(End::Say(code, reason)) => {
                    self.app.metrics.live.stalled.inc();
                    return Err(End::Say(code, format!("{reason}={}", seq.saturating_sub(1))));
                }
                other => other?,
            }
            self.buffer.taken();
        }
        Ok(())
    }

    async fn hear(&mut self, message: Option<Result<Message, axum::Error>>, socket: &mut WebSocket) -> Result<(), End> {
        self.heard = Instant::now();
        let answer = match message {
            Some(Ok(Message::Text(text))) => match Asked::read(&text) {
                Ok(asked) => self.answer(asked).await,
                Err(detail) => Some(not_understood(&detail)),
            },
            Some(Ok(Message::Binary(_))) => Some(not_understood("send text")),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => None,
            Some(Ok(Message::Close(_))) | None => return Err(End::Gone),
            Some(Err(error)) => {
                tracing::debug!(%error, "api.socket.broken");
                let reason = format!("messages have at most {} bytes", MAX_SOCKET_MESSAGE_BYTES);
                return Err(End::Say(close_code::SIZE, reason));
            }
        };
        match answer {
            Some(text) => send(socket, Message::text(text)).await,
            None => Ok(()),
        }
    }

    async fn answer(&mut self, asked: Asked) -> Option<String> {
        match asked {
            Asked::Subscribe { task_id, since } => {
                let since = since.unwrap_or(self.since);
                let refused = self.subscribe(&task_id, since).await.err()?;
                Some(Notice::refused(&task_id, since, &refused))
            }
            Asked::Unsubscribe { task_id } => {
                self.forget(&task_id);
                let seq = 0;
                let task_id: String = task_id.chars().take(64).collect();
                Some(Notice::Unsubscribed { seq, task_id: &task_id }.text())
            }
            Asked::Ping {} => Some(Notice::Pong { seq: 0 }.text()),
        }
    }

    async fn subscribe(&mut self, task_id: &str, since: u64) -> Result<(), Refusal> {
        self.forget(task_id);
        if self.feeds.len() >= MAX_LIVE_SUBSCRIPTIONS {
            let detail = format!("a connection follows at most {MAX_LIVE_SUBSCRIPTIONS} tasks");
            return Err(Refusal::overloaded(detail));
        }
        let feed = Feed::open(&self.app, &self.identity, task_id, since).await?;
        self.next += 1;
        self.feeds.insert(self.next, feed);
        self.ready.push_back(self.next);
        Ok(())
    }

    fn forget(&mut self, task_id: &str) {
        self.feeds.retain(|_, feed| feed.name() != task_id);
    }

    /// Reads the next page of the subscription whose turn it is.
    async fn look(&mut self) -> Result<(), End> {
        let Some(serial) = self.ready.pop_front() else {
            return Ok(());
        };
        // It may have been given up while it waited.
        let Some(feed) = self.feeds.get_mut(&serial) else {
            return Ok(());
        };
        let changed = feed.changed();
        let then = match feed.look().await {
            Ok(look) => {
                self.buffer.fill(look.events);
                look.then
            }
            Err(error) => {
                tracing::debug!(%error, "api.socket.unreadable: {}", feed.name());
                Then::Wait
            }
        };
        match then {
            Then::More => self.ready.push_back(serial),
            Then::Wait => self.waiting.push(changed.map(move |()| serial).boxed()),
            Then::End => {
                self.feeds.remove(&serial);
            }
            Then::Revoked => {
                let reason = "this API key is no longer valid".to_owned();
                return Err(End::Say(close_code::POLICY, reason));
            }
        }
        Ok(())
    }
}

fn not_understood(detail: &str) -> String {
    let (seq, task_id, code) = (0, None, "invalid_input");
    let notice = Notice::Error {
        seq,
        task_id,
        code,
        detail,
    };
    notice.text()
}

/// Sends one message; one that is not taken in time ends the connection with 1013 and how to go on.
async fn send(socket: &mut (impl Sink<Message> + Unpin), message: Message) -> Result<(), End> {
    match timeout(LIVE_STALL, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(End::Say(
            close_code::AGAIN,
            "too slow: connect again and resume with ?since".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::sink;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_told_to_come_back_later() {
        let mut stuck = Box::pin(sink::unfold((), |(), _: Message| {
            std::future::pending::<Result<(), axum::Error>>()
        }));
        let Err(End::Say(code, reason)) = send(&mut stuck, Message::text("{}")).await else {
            panic!("it should be cut off");
        };
        assert_eq!(code, close_code::AGAIN);
        assert!(reason.contains("resume with ?since"), "{reason}");
    }
}
