//! The gate's rules, each by a few frames.

use image::Luma;

use super::*;

const WIDTH: u32 = 180;

/// Noise that differs from frame to frame and is the same in every run.
fn noise(x: u32, y: u32, frame: u32, levels: u32) -> i32 {
    let mut state = x.wrapping_mul(0x9e37_79b9) ^ y.wrapping_mul(0x85eb_ca6b) ^ frame.wrapping_mul(0xc2b2_ae35);
    state ^= state >> 15;
    state = state.wrapping_mul(0x2c1b_3c6d);
    state ^= state >> 12;
    (state % (2 * levels + 1)) as i32 - levels as i32
}

/// A room with texture, seen by a camera with noise; a bright box stands at `x`, if anywhere.
fn room(frame: u32, box_at: Option<u32>) -> GrayImage {
    GrayImage::from_fn(WIDTH, LUMA_HEIGHT, |x, y| {
        let ground = 90.0 + 40.0 * (x as f32 / 23.0).sin() * (y as f32 / 17.0).cos();
        let inside = box_at.is_some_and(|left| (left..left + 14).contains(&x) && (40..70).contains(&y));
        let level = if inside { 220 } else { ground as i32 };
        Luma([(level + noise(x, y, frame, 3)).clamp(0, 255) as u8])
    })
}

fn judge(gate: &mut Gate, luma: &GrayImage, second: u32) -> Seen {
    gate.judge(luma, u64::from(second) * 1000, false)
}

#[test]
fn a_still_camera_passes_its_first_frame_and_no_other() {
    let mut gate = Gate::default();
    let first = judge(&mut gate, &room(0, None), 0);
    assert_eq!((first.verdict, first.motion), (Verdict::Passed, 1.0));
    for second in 1..60 {
        let seen = judge(&mut gate, &room(second, None), second);
        assert_eq!((seen.verdict, seen.motion), (Verdict::Still, 0.0), "second {second}");
    }
}

#[test]
fn something_that_crosses_the_room_moves_and_passes() {
    let mut gate = Gate::default();
    judge(&mut gate, &room(0, None), 0);
    for second in 1..16 {
        let seen = judge(&mut gate, &room(second, Some(second * 11)), second);
        assert_eq!(seen.verdict, Verdict::Passed, "second {second}");
        assert!((0.01..0.25).contains(&seen.motion), "second {second}: {}", seen.motion);
    }
}

#[test]
fn what_stays_is_a_duplicate_at_first_and_becomes_background() {
    let mut gate = Gate::default();
    judge(&mut gate, &room(0, None), 0);
    assert_eq!(judge(&mut gate, &room(1, Some(60)), 1).verdict, Verdict::Passed);
    assert_eq!(judge(&mut gate, &room(2, Some(60)), 2).verdict, Verdict::Duplicate);
    let verdicts: Vec<_> = (3..90)
        .map(|second| judge(&mut gate, &room(second, Some(60)), second).verdict)
        .collect();
    assert!(!verdicts.contains(&Verdict::Passed));
    assert_eq!(verdicts.last(), Some(&Verdict::Still));
}

#[test]
fn a_corner_that_flickers_all_the_time_becomes_still() {
    let clock = |second: u32| {
        let digits = |x: u32, y: u32| {
            if (x + y * 3 + second).is_multiple_of(3) {
                150
            } else {
                120
            }
        };
        let mut luma = room(second, None);
        for (x, y) in (0..8).flat_map(|y| (0..30).map(move |x| (x, y))) {
            luma.put_pixel(x, y, Luma([digits(x, y)]));
        }
        luma
    };
    let mut gate = Gate::default();
    judge(&mut gate, &clock(0), 0);
    let verdicts: Vec<_> = (1..240)
        .map(|second| judge(&mut gate, &clock(second), second).verdict)
        .collect();
    assert_eq!(verdicts.last(), Some(&Verdict::Still));
}

#[test]
fn a_cut_passes_and_is_the_background_from_then_on() {
    let other = |second| {
        GrayImage::from_fn(WIDTH, LUMA_HEIGHT, |x, y| {
            Luma([(if (x / 30 + y / 25) % 2 == 0 { 30 } else { 200 } + noise(x, y, second, 3)) as u8])
        })
    };
    let mut gate = Gate::default();
    judge(&mut gate, &room(0, None), 0);
    let cut = judge(&mut gate, &other(1), 1);
    assert_eq!(cut.verdict, Verdict::Passed);
    assert!(cut.motion > 0.5, "{}", cut.motion);
    assert_eq!(judge(&mut gate, &other(2), 2).verdict, Verdict::Still);
}

#[test]
fn a_picture_that_creeps_passes_though_it_never_moves() {
    let creeping = |second: u32| {
        GrayImage::from_fn(WIDTH, LUMA_HEIGHT, |x, y| {
            let bright = (x / 12 + y / 12) % 2 == 0;
            Luma([if bright { 100 + (second / 4).min(60) as u8 } else { 100 }])
        })
    };
    let mut gate = Gate::default();
    let verdicts: Vec<_> = (0..200)
        .map(|second| judge(&mut gate, &creeping(second), second).verdict)
        .collect();
    assert!(verdicts[1..].contains(&Verdict::Passed));
}

#[test]
fn damage_is_judged_and_not_learned() {
    let mut gate = Gate::default();
    judge(&mut gate, &room(0, None), 0);
    let before = gate.clone();
    let grey = GrayImage::from_pixel(WIDTH, LUMA_HEIGHT, Luma([128]));
    assert_eq!(gate.judge(&grey, 1000, true).verdict, Verdict::Passed);
    assert_eq!(gate, before);
    assert_eq!(judge(&mut gate, &room(2, None), 2).verdict, Verdict::Still);
}

#[test]
fn a_stream_that_changes_its_size_begins_anew_and_every_size_has_a_luma() {
    let mut gate = Gate::default();
    judge(&mut gate, &room(0, None), 0);
    let narrow = GrayImage::new(130, LUMA_HEIGHT);
    assert_eq!(judge(&mut gate, &narrow, 1).verdict, Verdict::Passed);
    for (size, luma) in [
        ((1280, 720), 180),
        ((1920, 1080), 180),
        ((640, 480), 130),
        ((1, 1), 100),
        ((1, 9999), 10),
        ((u32::MAX, 1), 400),
    ] {
        assert_eq!(luma_size(size.0, size.1), (luma, LUMA_HEIGHT), "{size:?}");
        let blank = GrayImage::new(luma, LUMA_HEIGHT);
        assert_eq!(Gate::default().judge(&blank, 0, false).hash, "0".repeat(64));
    }
}
