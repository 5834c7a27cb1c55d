//! One watched stream: says once a second that it is watched, and looks how it is.

use std::sync::Arc;

use tokio::time::{Instant, MissedTickBehavior, interval};
use zoetrope_shared::live_view::{WANT_EVERY, Watched};
use zoetrope_shared::wire::StreamState;

use super::screen::{Screen, ViewState};
use super::subject::{Look, Subject};
use crate::app::App;
use crate::limits::VIEW_SILENCE;

/// Follows a stream until nobody watches it, or it is over.
pub(super) async fn follow(app: App, watched: Watched, subject: Subject, screen: Arc<Screen>) {
    let mut ticks = interval(WANT_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silence = Silence::new(Instant::now());
    loop {
        tokio::select! {
            biased;
            () = app.stopping.cancelled() => return,
            () = screen.deserted() => return,
            _ = ticks.tick() => {}
        }
        let (wanted, looked) = tokio::join!(app.board.link().want(&watched), subject.look(&app, &watched.tenant));
        if let Err(error) = wanted {
            tracing::debug!(%error, "api.view.unsaid: cannot say that {watched} is watched");
        }
        let state = match looked {
            Ok(Some(look)) => silence.judge(look, screen.newest_seq(), Instant::now()),
            Ok(None) => ViewState::because(StreamState::Stopped, "it was deleted").for_good(),
            Err(_) => ViewState::because(StreamState::Reconnecting, "the server cannot look the stream up"),
        };
        let over = state.over;
        screen.tell(state);
        if over {
            return app.board.retire(&watched, &screen);
        }
    }
}

/// Tells a stream whose frames stopped coming from one whose source is slow.
#[derive(Debug)]
struct Silence {
    seq: Option<u64>,
    since: Instant,
    pulse: Option<(u64, Option<u64>)>,
}

impl Silence {
    fn new(now: Instant) -> Self {
        Self {
            seq: None,
            since: now,
            pulse: None,
        }
    }

    /// How the stream is for whoever watches here: its worker may be gone and nobody know it yet, or its frames be lost.
    fn judge(&mut self, look: Look, newest_seq: Option<u64>, now: Instant) -> ViewState {
        let connected = look.state.state == StreamState::Connected;
        if newest_seq != self.seq || !connected {
            (self.seq, self.since) = (newest_seq, now);
        }
        let before = std::mem::replace(&mut self.pulse, look.pulse);
        let silent = now - self.since >= VIEW_SILENCE;
        let worker_speaks = before.is_none() || look.pulse.map(|pulse| pulse.0) != before.map(|pulse| pulse.0);
        let pictures_come = look.pulse.and_then(|pulse| pulse.1) != before.and_then(|pulse| pulse.1);
        if silent && (pictures_come || !worker_speaks) {
            return ViewState::because(StreamState::Reconnecting, "no pictures come from its worker");
        }
        look.state
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn look(reported_ms: u64, frame_ms: u64) -> Look {
        Look {
            state: ViewState::plain(StreamState::Connected),
            pulse: Some((reported_ms, Some(frame_ms))),
        }
    }

    /// States of looks a second apart: what the worker reported, its newest picture, the newest frame here.
    fn states(looks: impl IntoIterator<Item = (u64, u64, u64)>) -> Vec<StreamState> {
        let began = Instant::now();
        let mut silence = Silence::new(began);
        let looks = looks.into_iter().enumerate().map(|(second, (reported, picture, seq))| {
            let now = began + Duration::from_secs(second as u64);
            silence.judge(look(reported, picture), Some(seq), now).state
        });
        looks.collect()
    }

    #[tokio::test]
    async fn a_worker_that_is_gone_is_noticed_before_its_lease_is_over() {
        let alive = (0..5).map(|n| (n, n, n * 15));
        let gone = (5..15).map(|_| (4, 4, 60));
        let seen = states(alive.chain(gone));
        assert!(
            seen[..9].iter().all(|state| *state == StreamState::Connected),
            "{seen:?}"
        );
        assert!(
            seen[9..].iter().all(|state| *state == StreamState::Reconnecting),
            "{seen:?}"
        );
    }

    #[tokio::test]
    async fn frames_that_do_not_arrive_are_noticed_and_a_slow_source_is_none() {
        let lost = states((0..10).map(|n| (n, n, 7)));
        assert_eq!((lost[4], lost[9]), (StreamState::Connected, StreamState::Reconnecting));
        let slow = states((0..30).map(|n| (n, n / 10, n / 10)));
        assert!(slow.iter().all(|state| *state == StreamState::Connected), "{slow:?}");
    }

    #[tokio::test]
    async fn a_stream_that_connects_late_is_not_silent_from_its_beginning() {
        let began = Instant::now();
        let mut silence = Silence::new(began);
        let away = Look {
            state: ViewState::plain(StreamState::Reconnecting),
            pulse: None,
        };
        silence.judge(away, None, began + Duration::from_secs(60));
        let back = silence.judge(look(1, 1), None, began + Duration::from_secs(61));
        assert_eq!(back.state, StreamState::Connected);
    }
}
