//! Frames to windows of time. Window `k` begins at `k * hop` and is `size` long, whoever counts: a worker that takes a
//! stream over counts the same windows, so that a scene is written once however often it is made.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use zoetrope_shared::tasks::stream_ingest::StreamWindow;

use crate::protocol_streams::FrameReport;

/// Frames of the open windows that are held; the oldest go first. At 30 a second that is 4 minutes.
pub const MAX_HELD_FRAMES: usize = 8_192;
/// A window of a live stream is closed this long after its end although no later frame came, milliseconds.
pub const LATENESS_MS: u64 = 1_500;
/// How much later than expected the next frame may come, a share of the distance of frames: a window that ends before has
/// all of its frames.
const UNEVEN: f64 = 0.1;

/// Length, distance and frames of windows, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowShape {
    /// Length.
    pub size_ms: u64,
    /// From the start of one to the start of the next.
    pub hop_ms: u64,
    /// Most frames that a scene is made of.
    pub frame_count: Option<usize>,
}

impl WindowShape {
    /// The shape that was asked for.
    pub fn of(window: &StreamWindow) -> Self {
        let ms = |seconds: f64| (seconds * 1_000.0).round().max(1.0) as u64;
        Self {
            size_ms: ms(window.size_s),
            hop_ms: ms(window.hop()),
            frame_count: window.frame_count.map(|count| (count as usize).max(1)),
        }
    }

    /// The rate at which frames must be looked at so that every window has at least one, whatever was asked for.
    pub fn least_fps(&self, asked: f64) -> f64 {
        asked.max(1_000.0 / self.size_ms.min(self.hop_ms) as f64)
    }

    /// The windows that a time lies in.
    fn windows_at(&self, t_ms: u64) -> std::ops::RangeInclusive<u64> {
        let last = t_ms / self.hop_ms;
        let first = if t_ms < self.size_ms {
            0
        } else {
            (t_ms - self.size_ms) / self.hop_ms + 1
        };
        first..=last
    }

    fn end_ms(&self, number: u64) -> u64 {
        number * self.hop_ms + self.size_ms
    }
}

/// A closed window with at least one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// Its number, from 0.
    pub number: u64,
    /// Start, milliseconds of the stream.
    pub start_ms: u64,
    /// End, milliseconds of the stream.
    pub end_ms: u64,
    /// Its frames, oldest first.
    pub frames: Vec<FrameReport>,
    /// Those of all its frames that came as pictures, oldest first.
    pub pictures: Vec<Shot>,
}

/// A frame as a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shot {
    /// Its time in the stream, milliseconds.
    pub t_ms: u64,
    /// A JPEG.
    pub jpeg: Bytes,
}

impl Window {
    /// Its position in the task's output.
    pub fn position(&self) -> u64 {
        self.number + 1
    }
}

/// Collects frames and closes windows.
#[derive(Debug)]
pub struct Windows {
    shape: WindowShape,
    /// No window below this number is given out: it was written before, or given out already.
    from: u64,
    open: BTreeMap<u64, VecDeque<FrameReport>>,
    held: usize,
    rhythm: Rhythm,
    /// The window that was closed last before a frame after its end had come.
    filled: Option<u64>,
}

/// When frames come.
#[derive(Debug, Default)]
struct Rhythm {
    newest_ms: u64,
    /// The last distance, and the one before.
    distances_ms: [Option<u64>; 2],
}

impl Rhythm {
    fn saw(&mut self, t_ms: u64) {
        if t_ms > self.newest_ms {
            self.distances_ms = [Some(t_ms - self.newest_ms), self.distances_ms[0]];
            self.newest_ms = t_ms;
        }
    }

    /// No frame is expected before.
    fn next_ms(&self) -> u64 {
        let [Some(last), Some(before)] = self.distances_ms else {
            return self.newest_ms;
        };
        // After a pause the shorter one: the pause was an exception.
        let distance = last.min(before) as f64 * (1.0 + UNEVEN);
        self.newest_ms.saturating_add(distance as u64)
    }
}

impl Windows {
    /// Windows after the one that was written last, at this position of the output.
    pub fn after(shape: WindowShape, written: Option<u64>) -> Self {
        Self {
            shape,
            from: written.unwrap_or(0),
            open: BTreeMap::new(),
            held: 0,
            rhythm: Rhythm::default(),
            filled: None,
        }
    }

    /// Takes a frame. Answers how many were let go because too many are held.
    pub fn push(&mut self, frame: &FrameReport) -> usize {
        self.rhythm.saw(frame.t_ms);
        let windows = self.shape.windows_at(frame.t_ms);
        let own = *windows.end();
        let is_early = self.filled == Some(own) && self.from == own + 1 && self.shape.hop_ms <= self.shape.size_ms;
        let next = is_early.then_some(self.from);
        for number in windows.filter(|number| *number >= self.from).chain(next) {
            self.open.entry(number).or_default().push_back(frame.clone());
            self.held += 1;
        }
        let mut dropped = 0;
        while self.held > MAX_HELD_FRAMES {
            let Some(mut oldest) = self.open.first_entry() else {
                break;
            };
            oldest.get_mut().pop_front();
            self.held -= 1;
            dropped += 1;
        }
        dropped
    }

    /// Whether every window that this time lies in was given out: a frame of it comes too late to be described.
    pub fn is_late(&self, t_ms: u64) -> bool {
        let windows = self.shape.windows_at(t_ms);
        !windows.is_empty() && *windows.end() < self.from
    }

    /// The windows that end at or before this time of the stream, oldest first.
    pub fn close_until(&mut self, t_ms: u64) -> Vec<Window> {
        let shape = self.shape;
        self.close_while(|number| shape.end_ms(number) <= t_ms)
    }

    /// The windows that have all of their frames, oldest first: a later frame has come, or none is expected before their end as
    /// frames have come so far. One that comes before nevertheless belongs to the window after.
    pub fn close_full(&mut self) -> Vec<Window> {
        let (shape, newest_ms, next_ms) = (self.shape, self.rhythm.newest_ms, self.rhythm.next_ms());
        // One that holds nothing but such frames waits for its own.
        let has_begun = |number: u64| number * shape.hop_ms <= newest_ms;
        let closed = self.close_while(|number| has_begun(number) && shape.end_ms(number) <= next_ms);
        let last = closed.last().filter(|last| last.end_ms > newest_ms);
        self.filled = last.map(|last| last.number).or(self.filled);
        closed
    }

    fn close_while(&mut self, is_over: impl Fn(u64) -> bool) -> Vec<Window> {
        let mut closed = Vec::new();
        while let Some(number) = self.open.keys().next().copied().filter(|number| is_over(*number)) {
            closed.extend(self.finish(number));
        }
        closed
    }

    /// All windows, as the stream is at its end.
    pub fn close_all(&mut self) -> Vec<Window> {
        let mut closed = Vec::new();
        while let Some(number) = self.open.keys().next().copied() {
            closed.extend(self.finish(number));
        }
        closed
    }

    /// When the first open window should be closed although nothing comes, in time of the stream.
    pub fn overdue_at(&self) -> Option<u64> {
        let first = self.open.keys().next()?;
        Some(self.shape.end_ms(*first) + LATENESS_MS)
    }

    fn finish(&mut self, number: u64) -> Option<Window> {
        let mut frames: Vec<_> = self.open.remove(&number)?.into();
        self.held -= frames.len();
        self.from = self.from.max(number + 1);
        frames.sort_by_key(|frame| frame.t_ms);
        let shot = |frame: &FrameReport| {
            let jpeg = frame.picture.clone()?;
            Some(Shot { t_ms: frame.t_ms, jpeg })
        };
        let window = Window {
            pictures: frames.iter().filter_map(shot).collect(),
            number,
            start_ms: number * self.shape.hop_ms,
            end_ms: self.shape.end_ms(number),
            frames: spread(frames, self.shape.frame_count),
        };
        (!window.frames.is_empty()).then_some(window)
    }
}

/// At most `most` of the frames, evenly spread, the last one among them.
fn spread(frames: Vec<FrameReport>, most: Option<usize>) -> Vec<FrameReport> {
    let total = frames.len();
    let wanted = most.unwrap_or(total).min(total);
    if wanted == total {
        return frames;
    }
    let chosen: Vec<usize> = (1..=wanted).map(|n| n * total / wanted - 1).collect();
    let with_index = frames.into_iter().enumerate();
    with_index
        .filter(|(index, _)| chosen.contains(index))
        .map(|(_, frame)| frame)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol_streams::Verdict;

    fn frame(t_ms: u64) -> FrameReport {
        FrameReport {
            t_ms,
            width: 640,
            height: 360,
            motion: 0.0,
            verdict: Verdict::Still,
            hash: String::new(),
            damaged: false,
            colors: None,
            text: None,
            lines: Vec::new(),
            picture: None,
        }
    }

    fn shape(size_ms: u64, hop_ms: u64, frame_count: Option<usize>) -> WindowShape {
        WindowShape {
            size_ms,
            hop_ms,
            frame_count,
        }
    }

    fn times(window: &Window) -> Vec<u64> {
        window.frames.iter().map(|frame| frame.t_ms).collect()
    }

    #[test]
    fn windows_that_touch_hold_every_frame_once() {
        let mut windows = Windows::after(shape(1_000, 1_000, None), None);
        for t in (0..3_500).step_by(250) {
            windows.push(&frame(t));
        }
        let closed = windows.close_until(3_250);
        assert_eq!(
            closed
                .iter()
                .map(|w| (w.number, w.start_ms, w.end_ms))
                .collect::<Vec<_>>(),
            [(0, 0, 1_000), (1, 1_000, 2_000), (2, 2_000, 3_000)]
        );
        assert_eq!(times(&closed[1]), [1_000, 1_250, 1_500, 1_750]);
        assert_eq!(times(&windows.close_all()[0]), [3_000, 3_250]);
    }

    #[test]
    fn windows_may_overlap_or_leave_gaps() {
        let mut overlapping = Windows::after(shape(3_000, 1_000, None), None);
        let mut apart = Windows::after(shape(1_000, 3_000, None), None);
        for t in (0..6_000).step_by(1_000) {
            overlapping.push(&frame(t));
            apart.push(&frame(t));
        }
        assert_eq!(times(&overlapping.close_until(5_000)[2]), [2_000, 3_000, 4_000]);
        let closed: Vec<_> = apart.close_all().iter().map(times).collect();
        assert_eq!(closed, [vec![0], vec![3_000]]);
    }

    #[test]
    fn a_worker_that_takes_over_gives_out_nothing_that_was_written() {
        let mut first = Windows::after(shape(1_000, 1_000, None), None);
        for t in [0, 900, 1_100, 2_100] {
            first.push(&frame(t));
        }
        let written = first.close_until(2_000).last().map(Window::position);
        let mut next = Windows::after(shape(1_000, 1_000, None), written);
        for t in [1_900, 2_500, 3_000] {
            next.push(&frame(t));
        }
        let closed = next.close_until(3_000);
        assert_eq!(
            closed.iter().map(|w| w.number).collect::<Vec<_>>(),
            [2],
            "window 1 was written, window 2 goes on"
        );
    }

    #[test]
    fn late_frames_of_closed_windows_are_not_given_out_again() {
        let mut windows = Windows::after(shape(1_000, 1_000, None), None);
        windows.push(&frame(100));
        assert_eq!(windows.close_until(1_000).len(), 1);
        windows.push(&frame(200));
        assert_eq!(windows.close_all(), []);
        assert!(windows.is_late(200) && !windows.is_late(1_000));
    }

    /// Windows that are closed at each of these frames.
    fn closed_at(windows: &mut Windows, times: &[u64]) -> Vec<Vec<u64>> {
        let mut closed_at = |t_ms: &u64| {
            windows.push(&frame(*t_ms));
            windows.close_full().iter().map(|window| window.number).collect()
        };
        times.iter().map(&mut closed_at).collect()
    }

    #[test]
    fn once_frames_have_a_rhythm_a_window_is_closed_by_its_last_frame() {
        let mut windows = Windows::after(shape(1_000, 1_000, None), None);
        let closed = closed_at(&mut windows, &[300, 1_300, 2_300, 3_310, 4_290]);
        assert_eq!(closed, [vec![], vec![0], vec![1, 2], vec![3], vec![4]]);
        let mut windows = Windows::after(shape(3_000, 1_000, None), None);
        let closed = closed_at(&mut windows, &[0, 500, 1_000, 1_500, 2_000, 2_500, 3_000, 3_500]);
        assert_eq!(closed[..5].concat(), [0_u64; 0]);
        assert_eq!(closed[5..], [vec![0], vec![], vec![1]]);
    }

    #[test]
    fn a_frame_that_nobody_expected_any_more_is_in_the_next_window() {
        let mut windows = Windows::after(shape(1_000, 1_000, None), None);
        closed_at(&mut windows, &[0, 1_000, 2_000]);
        assert!(
            closed_at(&mut windows, &[2_960])[0].is_empty(),
            "it waits for frames of its own"
        );
        windows.push(&frame(3_960));
        assert_eq!(times(&windows.close_full()[0]), [2_960, 3_960]);
        // Where windows leave gaps it is in none, as it would be a moment later.
        let mut windows = Windows::after(shape(1_000, 2_000, None), None);
        closed_at(&mut windows, &[0, 1_000, 2_000, 2_960]);
        assert_eq!(windows.close_all(), []);
    }

    #[test]
    fn after_a_pause_a_window_waits_for_its_frames() {
        let mut windows = Windows::after(shape(1_000, 1_000, None), None);
        let closed = closed_at(&mut windows, &[0, 200, 400, 5_000, 5_200, 5_400, 5_600, 5_800]);
        assert_eq!(closed[3..], [vec![0], vec![], vec![], vec![], vec![5]]);
    }

    #[test]
    fn frames_of_a_scene_are_spread_and_never_none() {
        let mut windows = Windows::after(shape(10_000, 10_000, Some(3)), None);
        for t in (0..10_000).step_by(1_000) {
            windows.push(&frame(t));
        }
        assert_eq!(times(&windows.close_all()[0]), [2_000, 5_000, 9_000]);
        let shape = WindowShape::of(&StreamWindow {
            size_s: 0.2,
            hop_s: None,
            frame_count: Some(0),
        });
        assert_eq!((shape.frame_count, shape.least_fps(0.1)), (Some(1), 5.0));
    }

    #[test]
    fn a_window_keeps_the_pictures_of_frames_that_its_scene_leaves_out() {
        let mut windows = Windows::after(shape(4_000, 4_000, Some(1)), None);
        for t_ms in [0, 1_000, 2_000, 3_000] {
            let picture = (t_ms < 2_000).then(|| Bytes::from_static(b"jpeg"));
            windows.push(&FrameReport { picture, ..frame(t_ms) });
        }
        let window = &windows.close_all()[0];
        let shown: Vec<u64> = window.pictures.iter().map(|shot| shot.t_ms).collect();
        assert_eq!((times(window), shown), (vec![3_000], vec![0, 1_000]));
    }

    #[test]
    fn what_is_held_is_bounded_and_the_oldest_frames_go_first() {
        let mut windows = Windows::after(shape(3_600_000, 3_600_000, None), None);
        let dropped: usize = (0..MAX_HELD_FRAMES as u64 + 5).map(|t| windows.push(&frame(t))).sum();
        assert_eq!(dropped, 5);
        assert_eq!(windows.close_all()[0].frames[0].t_ms, 5);
    }

    #[test]
    fn the_first_open_window_says_when_it_is_overdue() {
        let mut windows = Windows::after(shape(1_000, 1_000, None), None);
        assert_eq!(windows.overdue_at(), None);
        windows.push(&frame(1_400));
        assert_eq!(windows.overdue_at(), Some(2_000 + LATENESS_MS));
    }
}
