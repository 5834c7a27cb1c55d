//! The spool: pictures on their way to the recorder. Full: no picture is taken until the next key frame, and the time is
//! a gap, so that a slow store holds nobody up and what is written can be decoded.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::Notify;
use zoetrope_shared::recordings::GapCause;

use super::muxer::Picture;
use super::sound::{SoundFrame, SoundTrack};

/// Bytes that may wait: some seconds of a good camera.
pub const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Pictures and frames of sound that may wait.
pub const MAX_WAITING: usize = 4_000;

/// What comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spooled {
    /// A picture.
    Picture(Picture),
    /// A frame of sound.
    Sound(SoundFrame),
    /// The sound that comes from now on.
    Track(Option<SoundTrack>),
    /// What comes next does not continue what came before, for this reason.
    Break(GapCause),
}

/// A bounded queue with one reader.
#[derive(Debug, Default)]
pub struct Spool {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Spooled>,
    bytes: usize,
    /// Why the next picture continues nothing.
    broken: Option<GapCause>,
    /// Until a key frame comes.
    skipping: bool,
    closed: bool,
}

impl Spool {
    /// Adds a picture. Answers whether it was taken.
    pub fn push(&self, picture: Picture) -> bool {
        let taken = self.inner().push(picture);
        self.changed.notify_one();
        taken
    }

    /// Adds a frame of sound. A full spool drops it: pictures matter more.
    pub fn push_sound(&self, frame: SoundFrame) {
        self.inner().push_sound(frame);
        self.changed.notify_one();
    }

    /// This sound comes from now on, or none.
    pub fn set_sound(&self, track: Option<SoundTrack>) {
        let mut inner = self.inner();
        // The last word counts, however often a source is connected to without a picture.
        if matches!(inner.waiting.back(), Some(Spooled::Track(_))) {
            inner.waiting.pop_back();
        }
        inner.waiting.push_back(Spooled::Track(track));
    }

    /// The next picture continues nothing. The first reason stays, but that storage was slow is no excuse for a source that
    /// is away.
    pub fn break_off(&self, cause: GapCause) {
        let mut inner = self.inner();
        inner.broken = Some(cause);
        inner.skipping = false;
    }

    /// Nothing more will come.
    pub fn close(&self) {
        self.inner().closed = true;
        self.changed.notify_one();
    }

    /// The next; `None` once it is closed and empty.
    pub async fn next(&self) -> Option<Spooled> {
        loop {
            let changed = self.changed.notified();
            {
                let mut inner = self.inner();
                if let Some(next) = inner.take() {
                    return Some(next);
                }
                if inner.closed {
                    return None;
                }
            }
            changed.await;
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing that holds this lock panics")
    }
}

impl Inner {
    fn push(&mut self, picture: Picture) -> bool {
        let full = self.waiting.len() >= MAX_WAITING || self.bytes + picture.data.len() > MAX_BYTES;
        if full || (self.skipping && !picture.is_key) {
            self.skipping = true;
            self.broken.get_or_insert(GapCause::StorageSlow);
            return false;
        }
        self.skipping = false;
        self.waiting.extend(self.broken.take().map(Spooled::Break));
        self.bytes += picture.data.len();
        self.waiting.push_back(Spooled::Picture(picture));
        true
    }

    fn push_sound(&mut self, frame: SoundFrame) {
        let full = self.waiting.len() >= MAX_WAITING || self.bytes + frame.data.len() > MAX_BYTES;
        // What comes without pictures would be without them in the recording, too.
        if !full && !self.skipping && self.broken.is_none() {
            self.bytes += frame.data.len();
            self.waiting.push_back(Spooled::Sound(frame));
        }
    }

    fn take(&mut self) -> Option<Spooled> {
        let next = self.waiting.pop_front()?;
        self.bytes -= match &next {
            Spooled::Picture(picture) => picture.data.len(),
            Spooled::Sound(frame) => frame.data.len(),
            Spooled::Track(_) | Spooled::Break(_) => 0,
        };
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol_streams::Codec;

    fn picture(ticks: i64, is_key: bool, bytes: usize) -> Picture {
        Picture {
            data: vec![0; bytes].into(),
            codec: Codec::H264,
            is_key,
            ticks,
            wall_ms: 0,
        }
    }

    async fn rest(spool: &Spool) -> Vec<Result<i64, GapCause>> {
        spool.close();
        let mut all = Vec::new();
        while let Some(next) = spool.next().await {
            all.push(match next {
                Spooled::Picture(picture) => Ok(picture.ticks),
                Spooled::Break(cause) => Err(cause),
                Spooled::Sound(_) | Spooled::Track(_) => continue,
            });
        }
        all
    }

    #[tokio::test]
    async fn pictures_come_out_in_order_with_what_parts_them() {
        let spool = Spool::default();
        assert!(spool.push(picture(1, true, 10)));
        spool.break_off(GapCause::Source);
        spool.break_off(GapCause::Source);
        assert!(spool.push(picture(2, true, 10)));
        assert_eq!(rest(&spool).await, [Ok(1), Err(GapCause::Source), Ok(2)]);
    }

    #[tokio::test]
    async fn a_full_spool_takes_nothing_until_a_key_frame_and_says_so() {
        let spool = Spool::default();
        assert!(spool.push(picture(1, true, MAX_BYTES)));
        assert!(!spool.push(picture(2, false, 1)));
        assert_eq!(spool.next().await, Some(Spooled::Picture(picture(1, true, MAX_BYTES))));
        assert!(!spool.push(picture(3, false, 1)), "it could not be decoded");
        assert!(spool.push(picture(4, true, 1)));
        assert!(spool.push(picture(5, false, 1)));
        assert_eq!(rest(&spool).await, [Err(GapCause::StorageSlow), Ok(4), Ok(5)]);
    }

    #[tokio::test]
    async fn the_number_of_pictures_is_bounded_too() {
        let spool = Spool::default();
        let taken = (0..MAX_WAITING as i64 + 5).filter(|ticks| spool.push(picture(*ticks, true, 1)));
        assert_eq!(taken.count(), MAX_WAITING);
    }
}
