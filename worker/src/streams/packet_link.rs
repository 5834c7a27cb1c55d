//! Link 1: pictures on their way to a media child. Full: everything up to the next key frame goes, and is counted,
//! because what lies between cannot be decoded without what is gone.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::protocol_streams::Codec;

/// Pictures that may wait.
pub const MAX_PICTURES: usize = 600;
/// Bytes that may wait.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Pictures of one run at most.
const RUN_PICTURES: usize = 300;
/// Bytes of one run at most; one picture may be larger.
const RUN_BYTES: usize = 8 * 1024 * 1024;
/// A run that does not grow any more is taken after this long.
const RUN_PATIENCE: Duration = Duration::from_millis(500);

/// One compressed picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Annex B, parameter sets before a key frame.
    pub data: Bytes,
    /// How it is coded.
    pub codec: Codec,
    /// Its time in the stream, milliseconds.
    pub t_ms: u64,
    /// Whether decoding can start here.
    pub is_key: bool,
    /// A key frame to be decoded by itself, rather than by the stream's decoder.
    pub alone: bool,
}

/// Pictures to be decoded together, in order.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    /// At least one; of one codec, and all or none `alone`.
    pub pictures: Vec<Picture>,
    /// Whether pictures are missing between the last run and this one.
    pub after_gap: bool,
}

/// A bounded queue of pictures with one reader.
#[derive(Debug)]
pub struct PacketLink {
    queue: Mutex<PictureQueue>,
    changed: Notify,
    /// Its reader has come further.
    moved: Notify,
    most_pictures: usize,
    most_bytes: usize,
}

impl Default for PacketLink {
    fn default() -> Self {
        Self::of_at_most(MAX_PICTURES, MAX_BYTES)
    }
}

impl PacketLink {
    /// One in which so much may wait.
    pub fn of_at_most(most_pictures: usize, most_bytes: usize) -> Self {
        Self {
            queue: Mutex::default(),
            changed: Notify::new(),
            moved: Notify::new(),
            most_pictures,
            most_bytes,
        }
    }

    /// Forgets what waits: the next run is after a gap.
    pub fn clear(&self) {
        let mut queue = self.queue();
        *queue = PictureQueue {
            gap_ahead: true,
            closed: queue.closed,
            in_hand_ms: queue.in_hand_ms,
            ..PictureQueue::default()
        };
        drop(queue);
        self.moved.notify_waiters();
    }

    /// Adds a picture. Answers how many were dropped, itself included.
    pub fn push(&self, picture: Picture) -> u64 {
        let mut queue = self.queue();
        let full = queue.pictures.len() >= self.most_pictures || queue.bytes + picture.data.len() > self.most_bytes;
        let dropped = queue.push(picture, full);
        drop(queue);
        self.changed.notify_one();
        dropped
    }

    /// Pictures are missing from here on: the connection is a new one, or the network lost some.
    pub fn gap(&self) {
        self.queue().gap_ahead = true;
    }

    /// No more pictures will come.
    pub fn close(&self) {
        self.queue().closed = true;
        self.changed.notify_one();
    }

    /// How much of the stream waits, milliseconds.
    pub fn backlog_ms(&self) -> u64 {
        let queue = self.queue();
        let ends = queue.pictures.front().zip(queue.pictures.back());
        ends.map_or(0, |((first, _), (last, _))| last.t_ms.saturating_sub(first.t_ms))
    }

    /// Returns once nothing before this time of the stream waits any more, or is with the reader.
    pub async fn passed(&self, t_ms: u64) {
        loop {
            let moved = self.moved.notified();
            if self.queue().oldest_ms().is_none_or(|oldest| oldest >= t_ms) {
                return;
            }
            moved.await;
        }
    }

    /// The next run: as soon as it spans `span_ms` of the stream, is as large as a run may be, or has stopped growing.
    /// `None` once the link is closed and empty. Whoever asks is done with the one before.
    pub async fn next_run(&self, span_ms: u64) -> Option<Run> {
        self.queue().in_hand_ms = None;
        self.moved.notify_waiters();
        loop {
            let changed = self.changed.notified();
            let look = self.queue().look(span_ms);
            match look {
                Look::Ripe => return self.queue().take_run(),
                Look::Ended => return None,
                Look::Empty => changed.await,
                Look::Growing => {
                    if tokio::time::timeout(RUN_PATIENCE, changed).await.is_err() {
                        return self.queue().take_run();
                    }
                }
            }
        }
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, PictureQueue> {
        self.queue.lock().expect("nothing that holds this lock panics")
    }
}

/// What the reader finds.
enum Look {
    Ripe,
    Growing,
    Empty,
    Ended,
}

/// The queue without its waiting.
#[derive(Debug, Default)]
struct PictureQueue {
    /// Each with whether pictures are missing before it.
    pictures: VecDeque<(Picture, bool)>,
    bytes: usize,
    /// Pictures before the next one to be pushed are missing.
    gap_ahead: bool,
    /// Dropping, until a key frame comes.
    skipping: bool,
    closed: bool,
    /// The earliest time of the run that the reader has, milliseconds.
    in_hand_ms: Option<u64>,
}

impl PictureQueue {
    fn push(&mut self, picture: Picture, full: bool) -> u64 {
        if self.skipping && !picture.is_key {
            return 1;
        }
        self.skipping = false;
        let mut dropped = 0;
        if full {
            dropped = self.pictures.len() as u64;
            self.pictures.clear();
            self.bytes = 0;
            self.gap_ahead = true;
            if !picture.is_key {
                self.skipping = true;
                return dropped + 1;
            }
        }
        self.bytes += picture.data.len();
        self.pictures.push_back((picture, std::mem::take(&mut self.gap_ahead)));
        dropped
    }

    fn look(&self, span_ms: u64) -> Look {
        let (Some((first, _)), Some((last, _))) = (self.pictures.front(), self.pictures.back()) else {
            return if self.closed { Look::Ended } else { Look::Empty };
        };
        let ripe = first.alone
            || last.alone
            || self.closed
            || last.t_ms.saturating_sub(first.t_ms) >= span_ms
            || self.pictures.len() >= RUN_PICTURES
            || self.bytes >= RUN_BYTES;
        if ripe { Look::Ripe } else { Look::Growing }
    }

    fn take_run(&mut self) -> Option<Run> {
        let (first, after_gap) = self.pictures.pop_front()?;
        let mut bytes = first.data.len();
        let mut pictures = vec![first];
        while let Some((next, gap)) = self.pictures.front() {
            let first = &pictures[0];
            bytes += next.data.len();
            let fits = !first.alone && !next.alone && !*gap && next.codec == first.codec;
            if !fits || pictures.len() >= RUN_PICTURES || bytes > RUN_BYTES {
                break;
            }
            pictures.extend(self.pictures.pop_front().map(|(next, _)| next));
        }
        self.bytes -= pictures.iter().map(|picture| picture.data.len()).sum::<usize>();
        self.in_hand_ms = pictures.iter().map(|picture| picture.t_ms).min();
        Some(Run { pictures, after_gap })
    }

    /// The earliest time that waits or is with the reader. Pictures that come out of order are not far from it.
    fn oldest_ms(&self) -> Option<u64> {
        self.in_hand_ms
            .or_else(|| self.pictures.front().map(|(first, _)| first.t_ms))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn picture(t_ms: u64, is_key: bool, bytes: usize) -> Picture {
        Picture {
            data: vec![0; bytes].into(),
            codec: Codec::H264,
            t_ms,
            is_key,
            alone: false,
        }
    }

    fn times(run: &Run) -> Vec<u64> {
        run.pictures.iter().map(|picture| picture.t_ms).collect()
    }

    #[tokio::test]
    async fn a_run_is_taken_once_it_spans_the_time_asked_for() {
        let link = PacketLink::default();
        for t in [0, 400, 800, 1_200] {
            link.push(picture(t, t == 0, 10));
        }
        let run = link.next_run(1_000).await.expect("four pictures wait");
        assert_eq!((times(&run), run.after_gap), (vec![0, 400, 800, 1_200], false));
        link.close();
        assert_eq!(link.next_run(1_000).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_stops_growing_is_taken_as_it_is() {
        let link = PacketLink::default();
        link.push(picture(0, true, 10));
        assert_eq!(link.next_run(10_000).await.map(|run| times(&run)), Some(vec![0]));
    }

    #[tokio::test]
    async fn when_it_is_full_everything_up_to_the_next_key_frame_goes_and_is_counted() {
        let link = PacketLink::default();
        let mut dropped = 0;
        for t in 0..MAX_PICTURES as u64 {
            dropped += link.push(picture(t, t == 0, 10));
        }
        assert_eq!(dropped, 0);
        dropped += link.push(picture(1_000, false, 10));
        dropped += link.push(picture(1_001, false, 10));
        assert_eq!(dropped, MAX_PICTURES as u64 + 2);
        assert_eq!(link.push(picture(1_002, true, 10)), 0);
        link.push(picture(1_003, false, 10));
        link.close();
        let run = link.next_run(0).await.expect("the key frame and what follows it");
        assert_eq!((times(&run), run.after_gap), (vec![1_002, 1_003], true));
    }

    #[tokio::test]
    async fn a_link_of_less_drops_earlier_and_one_that_was_cleared_says_so() {
        let link = PacketLink::of_at_most(2, 10);
        assert_eq!(
            (link.push(picture(0, true, 4)), link.push(picture(1, false, 4))),
            (0, 0)
        );
        assert_eq!(link.push(picture(2, false, 1)), 3);
        link.push(picture(3, true, 4));
        link.clear();
        link.push(picture(4, true, 4));
        let run = link.next_run(0).await.expect("what came afterwards");
        assert_eq!((times(&run), run.after_gap), (vec![4], true));
    }

    #[tokio::test]
    async fn a_time_has_passed_once_its_pictures_are_neither_waiting_nor_with_the_reader() {
        let link = PacketLink::default();
        link.passed(u64::MAX).await;
        link.push(picture(10, true, 1));
        link.push(picture(20, false, 1));
        link.passed(10).await;
        let passed = link.passed(30);
        tokio::pin!(passed);
        assert!(passed.as_mut().now_or_never().is_none(), "they wait");
        assert!(link.next_run(0).await.is_some());
        assert!(passed.as_mut().now_or_never().is_none(), "they are being decoded");
        assert!(link.next_run(10_000).now_or_never().is_none());
        passed.await;
    }

    #[tokio::test]
    async fn bytes_are_bounded_too() {
        let link = PacketLink::default();
        link.push(picture(0, true, MAX_BYTES - 1));
        assert_eq!(
            link.push(picture(1, true, 100)),
            1,
            "the one that waited gives way to a key frame"
        );
    }

    #[tokio::test]
    async fn a_gap_begins_a_new_run_that_says_so() {
        let link = PacketLink::default();
        link.push(picture(0, true, 1));
        link.gap();
        link.push(picture(1, true, 1));
        link.push(picture(2, false, 1));
        link.close();
        let (first, second) = (link.next_run(0).await, link.next_run(0).await);
        assert_eq!(first.map(|run| (times(&run), run.after_gap)), Some((vec![0], false)));
        assert_eq!(second.map(|run| (times(&run), run.after_gap)), Some((vec![1, 2], true)));
    }

    #[tokio::test]
    async fn key_frames_that_are_decoded_alone_make_runs_of_their_own() {
        let link = PacketLink::default();
        for t in 0..3 {
            link.push(Picture {
                alone: t > 0,
                ..picture(t, true, 1)
            });
        }
        for expected in [vec![0], vec![1], vec![2]] {
            assert_eq!(link.next_run(5_000).await.map(|run| times(&run)), Some(expected));
        }
    }
}
