//! What holds of windows whatever times frames have, and whoever counts.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use zoetrope_worker::protocol_streams::{FrameReport, Verdict};
use zoetrope_worker::streams::windows::{Window, WindowShape, Windows};

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

fn shapes() -> impl Strategy<Value = WindowShape> {
    let shape = (100_u64..5_000, 200_u64..5_000, proptest::option::of(1_usize..6));
    shape.prop_map(|(size_ms, hop_ms, frame_count)| WindowShape {
        size_ms,
        hop_ms,
        frame_count,
    })
}

/// Steps from one frame to the next: a stream's own, now and then a gap of hours, or back.
fn steps() -> impl Strategy<Value = Vec<i64>> {
    let step = prop_oneof![16 => 0_i64..700, 2 => -900_i64..0, 1 => 0_i64..20_000_000, 1 => -30_000_i64..0];
    vec(step, 1..200)
}

fn times(steps: &[i64]) -> Vec<u64> {
    let mut now = 0_u64;
    steps
        .iter()
        .map(|step| {
            now = now.saturating_add_signed(*step);
            now
        })
        .collect()
}

/// Pushes frames, closes what is over after each of them, as a live stream does, and in the end all of it.
fn run(windows: &mut Windows, times: &[u64]) -> Vec<Window> {
    let (mut closed, mut newest) = (Vec::new(), 0);
    for t_ms in times {
        assert_eq!(windows.push(&frame(*t_ms)), 0, "few are held");
        newest = newest.max(*t_ms);
        closed.extend(windows.close_until(newest));
    }
    closed.extend(windows.close_all());
    closed
}

proptest! {
    #[test]
    fn each_window_is_given_out_once_in_order_with_frames_of_its_own_time(shape in shapes(), steps in steps(), written in proptest::option::of(0_u64..20)) {
        let closed = run(&mut Windows::after(shape, written), &times(&steps));
        prop_assert!(closed.windows(2).all(|pair| pair[0].number < pair[1].number));
        for window in &closed {
            prop_assert!(window.number >= written.unwrap_or(0));
            prop_assert_eq!((window.start_ms, window.end_ms), (window.number * shape.hop_ms, window.number * shape.hop_ms + shape.size_ms));
            let own: Vec<u64> = window.frames.iter().map(|frame| frame.t_ms).collect();
            prop_assert!(!own.is_empty() && own.len() <= shape.frame_count.unwrap_or(usize::MAX));
            prop_assert!(own.iter().all(|t_ms| (window.start_ms..window.end_ms).contains(t_ms)));
            prop_assert!(own.is_sorted());
        }
    }

    #[test]
    fn frames_that_come_in_order_are_in_every_window_of_their_time(shape in shapes(), steps in vec(0_i64..1_500, 1..200)) {
        let shape = WindowShape { frame_count: None, ..shape };
        let times = times(&steps);
        let mut expected: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for t_ms in &times {
            // By the definition: window k begins at k * hop.
            for number in t_ms.saturating_sub(shape.size_ms) / shape.hop_ms..=t_ms / shape.hop_ms {
                if *t_ms < number * shape.hop_ms + shape.size_ms {
                    expected.entry(number).or_default().push(*t_ms);
                }
            }
        }
        let closed = run(&mut Windows::after(shape, None), &times);
        let found: BTreeMap<u64, Vec<u64>> = closed
            .iter()
            .map(|window| (window.number, window.frames.iter().map(|frame| frame.t_ms).collect()))
            .collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn windows_that_are_closed_once_they_are_full_lose_no_frame(size_ms in 100_u64..5_000, steps in vec(0_i64..1_500, 1..200)) {
        let shape = WindowShape { size_ms, hop_ms: size_ms, frame_count: None };
        let times = times(&steps);
        let (mut windows, mut closed) = (Windows::after(shape, None), Vec::new());
        for t_ms in &times {
            windows.push(&frame(*t_ms));
            closed.extend(windows.close_full());
        }
        closed.extend(windows.close_all());
        prop_assert!(closed.windows(2).all(|pair| pair[0].number < pair[1].number));
        let found: Vec<u64> = closed.iter().flat_map(|window| &window.frames).map(|frame| frame.t_ms).collect();
        prop_assert_eq!(found, times);
        for window in &closed {
            // Its own, or that of the window before.
            let starts_ms = window.start_ms.saturating_sub(size_ms);
            prop_assert!(window.frames.iter().all(|frame| (starts_ms..window.end_ms).contains(&frame.t_ms)));
        }
    }

    #[test]
    fn whoever_takes_over_counts_the_same_windows(shape in shapes(), steps in vec(0_i64..1_500, 2..200), at in 0_usize..200) {
        let times = times(&steps);
        let (before, after) = times.split_at(at.min(times.len()));
        let mut first = Windows::after(shape, None);
        let mut given: Vec<Window> = Vec::new();
        for t_ms in before {
            first.push(&frame(*t_ms));
            given.extend(first.close_until(*t_ms));
        }
        let written = given.last().map(Window::position);
        given.extend(run(&mut Windows::after(shape, written), after));
        prop_assert!(given.windows(2).all(|pair| pair[0].number < pair[1].number), "none is written twice");
        let alone = run(&mut Windows::after(shape, None), &times);
        let numbers = |windows: &[Window]| windows.iter().map(|window| window.number).collect::<Vec<_>>();
        let known = numbers(&alone);
        prop_assert!(numbers(&given).iter().all(|number| known.contains(number)), "none is of another time");
    }
}
