//! What is known of one stream at the moment: its newest frame and how it is. Each has one place, which the next takes.

use std::sync::{Arc, OnceLock};

use axum::extract::ws::Utf8Bytes;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;
use zoetrope_shared::live_view::LiveFrame;
use zoetrope_shared::wire::{StreamCause, StreamState};

/// The two places. Whoever watches has a receiver of each.
#[derive(Debug)]
pub(super) struct Screen {
    frame: watch::Sender<Option<Arc<Shown>>>,
    standing: watch::Sender<ViewState>,
}

/// A frame in the forms that viewers take it in, each made at most once.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) frame: LiveFrame,
    seed: OnceLock<Utf8Bytes>,
}

/// How a watched stream is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct ViewState {
    /// As in the stream's status.
    pub(crate) state: StreamState,
    /// Why its source is away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<StreamCause>,
    /// The same in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// Whether this is the last that is said: nothing comes any more.
    pub(crate) over: bool,
}

impl ViewState {
    /// In this state, and nothing more is known.
    pub(super) fn plain(state: StreamState) -> Self {
        Self {
            state,
            cause: None,
            detail: None,
            over: false,
        }
    }

    /// In this state for this reason.
    pub(super) fn because(state: StreamState, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..Self::plain(state)
        }
    }

    /// The same, for good.
    pub(super) fn for_good(self) -> Self {
        Self { over: true, ..self }
    }
}

impl Screen {
    /// Nothing is known yet.
    pub(super) fn new() -> Self {
        Self {
            frame: watch::Sender::new(None),
            standing: watch::Sender::new(ViewState::plain(StreamState::Connecting)),
        }
    }

    /// Takes the place of the frame before.
    pub(super) fn show(&self, frame: LiveFrame) {
        self.frame.send_replace(Some(Arc::new(Shown {
            frame,
            seed: OnceLock::new(),
        })));
    }

    /// Says how the stream is, if that is another way than before.
    pub(super) fn tell(&self, state: ViewState) {
        self.standing.send_if_modified(|known| {
            let is_new = *known != state;
            *known = state;
            is_new
        });
    }

    /// For one more viewer: what is known already counts as new to it.
    pub(super) fn receivers(&self) -> (watch::Receiver<Option<Arc<Shown>>>, watch::Receiver<ViewState>) {
        let (mut frame, mut standing) = (self.frame.subscribe(), self.standing.subscribe());
        if frame.borrow().is_some() {
            frame.mark_changed();
        }
        standing.mark_changed();
        (frame, standing)
    }

    /// Number of the newest frame, as its worker counts.
    pub(super) fn newest_seq(&self) -> Option<u64> {
        self.frame.borrow().as_ref().map(|shown| shown.frame.head.seq)
    }

    /// Returns once nobody watches any more.
    pub(super) async fn deserted(&self) {
        self.frame.closed().await;
    }
}

impl Shown {
    /// As the gun-detection program sent frames: `{"type": "frame", "data": "<base64 JPEG>", "timestamp": <seconds>}`.
    pub(super) fn seed(&self) -> Utf8Bytes {
        let made = self.seed.get_or_init(|| {
            let at_ms = self.frame.at_ms();
            let data = STANDARD.encode(self.frame.jpeg());
            let (seconds, millis) = (at_ms / 1_000, at_ms % 1_000);
            format!(r#"{{"type":"frame","data":"{data}","timestamp":{seconds}.{millis:03}}}"#).into()
        });
        made.clone()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use zoetrope_shared::live_view::FrameHead;

    use super::*;

    fn frame(seq: u64) -> LiveFrame {
        let head = FrameHead {
            seq,
            pts_ms: seq * 66,
            at: "2026-11-20T09:00:00.007Z".to_owned(),
            width: 4,
            height: 3,
            boxes: Vec::new(),
        };
        LiveFrame::new(head, b"\xff\xd8\xffjpeg").expect("it is small")
    }

    #[test]
    fn whatever_viewers_take_one_frame_of_a_stream_is_kept() {
        let screen = Screen::new();
        let mut viewers: Vec<_> = (0..20).map(|_| screen.receivers().0).collect();
        let mut shown = Vec::new();
        for seq in 1..=500 {
            screen.show(frame(seq));
            let (stuck, quick) = viewers.split_first_mut().expect("there are viewers");
            assert!(stuck.has_changed().expect("the screen is there"));
            for viewer in quick {
                let newest = viewer.borrow_and_update().clone().expect("a frame");
                assert_eq!(newest.frame.head.seq, seq);
                shown.push(Arc::downgrade(&newest));
            }
        }
        let kept = shown.iter().filter(|frame| frame.strong_count() > 0).count();
        assert_eq!(kept, viewers.len() - 1, "all of them are the newest");
        let newest = viewers[0].borrow_and_update().clone().expect("a frame");
        assert_eq!(newest.frame.head.seq, 500, "whoever was stuck goes on with what is now");
    }

    #[test]
    fn the_older_form_has_its_three_fields_and_is_made_once() {
        let shown = Shown {
            frame: frame(1),
            seed: OnceLock::new(),
        };
        let text = shown.seed();
        assert_eq!(text.as_ptr(), shown.seed().as_ptr());
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            value,
            json!({"type": "frame", "data": STANDARD.encode(b"\xff\xd8\xffjpeg"), "timestamp": 1_795_165_200.007})
        );
    }

    #[test]
    fn a_viewer_that_comes_later_sees_at_once_what_is_known() {
        let screen = Screen::new();
        let (early, standing) = screen.receivers();
        assert!(!early.has_changed().expect("the screen is there") && standing.has_changed().expect("it is there"));
        screen.show(frame(3));
        screen.tell(ViewState::plain(StreamState::Connected));
        let (late, mut standing) = screen.receivers();
        assert!(late.has_changed().expect("the screen is there"));
        assert_eq!(standing.borrow_and_update().state, StreamState::Connected);
        screen.tell(ViewState::plain(StreamState::Connected));
        assert!(
            !standing.has_changed().expect("it is there"),
            "the same is not said twice"
        );
    }
}
