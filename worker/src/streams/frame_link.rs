//! Link 2: sampled frames on their way to windows. Full: the oldest goes, and is counted.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::Notify;

use crate::protocol_streams::FrameReport;

/// Frames that may wait for the describer.
pub const CAPACITY: usize = 256;

/// A bounded queue of frames with one reader.
#[derive(Debug, Default)]
pub struct FrameLink {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<FrameReport>,
    closed: bool,
}

impl FrameLink {
    /// Adds frames. Answers how many had to go for them.
    pub fn push(&self, frames: Vec<FrameReport>) -> usize {
        let mut state = self.state();
        state.frames.extend(frames);
        let dropped = state.frames.len().saturating_sub(CAPACITY);
        state.frames.drain(..dropped);
        drop(state);
        self.changed.notify_one();
        dropped
    }

    /// No more frames will come.
    pub fn close(&self) {
        self.state().closed = true;
        self.changed.notify_one();
    }

    /// All frames that wait; `None` once it is closed and empty. Cancel safe.
    pub async fn take(&self) -> Option<Vec<FrameReport>> {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.state();
                if !state.frames.is_empty() {
                    return Some(state.frames.drain(..).collect());
                }
                if state.closed {
                    return None;
                }
            }
            changed.await;
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("nothing that holds this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol_streams::Verdict;

    fn frames(times: std::ops::Range<u64>) -> Vec<FrameReport> {
        let frame = |t_ms| FrameReport {
            t_ms,
            width: 1,
            height: 1,
            motion: 0.0,
            verdict: Verdict::Still,
            hash: String::new(),
            damaged: false,
            colors: None,
            text: None,
            lines: Vec::new(),
            picture: None,
        };
        times.map(frame).collect()
    }

    #[tokio::test]
    async fn the_oldest_frames_go_when_it_is_full_and_are_counted() {
        let link = FrameLink::default();
        assert_eq!(link.push(frames(0..CAPACITY as u64)), 0);
        assert_eq!(link.push(frames(1_000..1_003)), 3);
        let taken = link.take().await.expect("frames wait");
        assert_eq!((taken.len(), taken[0].t_ms), (CAPACITY, 3));
    }

    #[tokio::test]
    async fn what_waits_is_read_after_it_was_closed() {
        let link = FrameLink::default();
        link.push(frames(0..1));
        link.close();
        assert_eq!(link.take().await.map(|frames| frames.len()), Some(1));
        assert_eq!(link.take().await, None);
    }
}
