//! One viewer's WebSocket: how the stream is, and its newest frame whenever the connection has room for one.

use std::convert::Infallible;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures_util::SinkExt;
use serde::Serialize;
use tokio::time::{Instant, interval, timeout};

use super::board::Seat;
use super::screen::ViewState;
use crate::app::App;
use crate::auth::Identity;
use crate::limits::{LIVE_CLOSE_GRACE, LIVE_HEARTBEAT, LIVE_RECHECK, VIEW_STALL};

/// What a viewer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Ours: states as text, frames as binary messages.
    Own,
    /// That of the gun-detection program: frames alone, as text.
    Seed,
}

/// A viewer.
pub(super) struct Viewer {
    pub(super) app: App,
    pub(super) identity: Identity,
    pub(super) seat: Seat,
    pub(super) form: Form,
}

/// Why a connection ends: with a word to the viewer, or because it is gone.
enum End {
    Say(u16, String),
    Gone,
}

/// A state on the wire.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    state: &'a ViewState,
}

/// Why nothing is shown, in the older form: its own program only had frames.
#[derive(Serialize)]
struct SeedError<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: &'a str,
}

impl Viewer {
    /// Shows the stream until either side ends it.
    pub(super) async fn serve(mut self, mut socket: WebSocket) {
        let stopping = self.app.stopping.clone();
        let revoked = revoked(self.app.clone(), self.identity.clone());
        let end = tokio::select! {
            biased;
            () = stopping.cancelled() => End::Say(close_code::AWAY, "the server stops: connect again".to_owned()),
            () = revoked => End::Say(close_code::POLICY, "this API key is no longer valid".to_owned()),
            end = self.talk(&mut socket) => end.err().unwrap_or(End::Gone),
        };
        if let End::Say(code, reason) = end {
            close(&mut socket, code, reason).await;
        }
    }

    async fn talk(&mut self, socket: &mut WebSocket) -> Result<Infallible, End> {
        let mut heartbeat = interval(LIVE_HEARTBEAT);
        let (mut heard, mut taken) = (Instant::now(), None);
        loop {
            tokio::select! {
                biased;
                message = socket.recv() => {
                    hear(message.as_ref())?;
                    heard = Instant::now();
                }
                changed = self.seat.standing.changed() => {
                    changed.map_err(|_| End::Gone)?;
                    self.tell_state(socket).await?;
                }
                changed = self.seat.frame.changed() => {
                    changed.map_err(|_| End::Gone)?;
                    taken = self.show(socket, taken).await?;
                    // Whoever takes frames is there.
                    heard = Instant::now();
                }
                _ = heartbeat.tick() => {
                    if heard.elapsed() > LIVE_HEARTBEAT * 3 {
                        return Err(End::Gone);
                    }
                    send(socket, Message::Ping(Vec::new().into())).await?;
                }
            }
        }
    }

    async fn tell_state(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        let state = self.seat.standing.borrow_and_update().clone();
        if self.form == Form::Own {
            let told = Told {
                kind: "state",
                state: &state,
            };
            let text = serde_json::to_string(&told).expect("a state should be JSON");
            send(socket, Message::text(text)).await?;
        }
        if !state.over {
            return Ok(());
        }
        let reason = match state.detail {
            Some(detail) => format!("the stream is over: {detail}"),
            None => "the stream is over".to_owned(),
        };
        if self.form == Form::Seed {
            send(socket, seed_error(&reason)).await?;
        }
        Err(End::Say(close_code::NORMAL, reason))
    }

    /// Sends the newest frame; the answer is its number.
    async fn show(&mut self, socket: &mut WebSocket, taken: Option<u64>) -> Result<Option<u64>, End> {
        let Some(shown) = self.seat.frame.borrow_and_update().clone() else {
            return Ok(taken);
        };
        let message = match self.form {
            Form::Own => Message::Binary(shown.frame.message().clone()),
            Form::Seed => Message::Text(shown.seed()),
        };
        let seq = shown.frame.head.seq;
        drop(shown);
        send(socket, message).await?;
        self.seat
            .count_sent(taken.map_or(0, |taken| seq.saturating_sub(taken + 1)));
        Ok(Some(seq))
    }
}

/// Ends a connection before anything was shown over it.
pub(super) async fn turn_away(mut socket: WebSocket, code: u16, message: &str) {
    if send(&mut socket, seed_error(message)).await.is_ok() {
        close(&mut socket, code, message.to_owned()).await;
    }
}

fn seed_error(message: &str) -> Message {
    let error = SeedError { kind: "error", message };
    Message::text(serde_json::to_string(&error).expect("an error should be JSON"))
}

/// Viewers have nothing to say: whatever they do say is read and left alone.
fn hear(message: Option<&Result<Message, axum::Error>>) -> Result<(), End> {
    match message {
        Some(Ok(Message::Close(_)) | Err(_)) | None => Err(End::Gone),
        Some(Ok(_)) => Ok(()),
    }
}

/// A connection outlives the check that let it in: returns once its key would not be let in again.
async fn revoked(app: App, identity: Identity) {
    loop {
        tokio::time::sleep(LIVE_RECHECK).await;
        if let Ok(false) = app.gate.is_live(&identity, app.clock.now_ms()).await {
            return;
        }
    }
}

/// Sends one message; a viewer that is so slow that it takes [`VIEW_STALL`] is of no use to anybody.
async fn send(socket: &mut WebSocket, message: Message) -> Result<(), End> {
    match timeout(VIEW_STALL, SinkExt::send(socket, message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(End::Say(close_code::AGAIN, "too slow for a single frame".to_owned())),
    }
}

async fn close(socket: &mut WebSocket, code: u16, reason: String) {
    /// What a close frame holds, bytes.
    const MOST: usize = 123;
    let end = (0..=MOST.min(reason.len()))
        .rev()
        .find(|at| reason.is_char_boundary(*at));
    let reason = reason[..end.unwrap_or(0)].into();
    let close = Message::Close(Some(CloseFrame { code, reason }));
    // A viewer that reads nothing will not read this either.
    let _ = timeout(LIVE_CLOSE_GRACE, SinkExt::send(socket, close)).await;
}
