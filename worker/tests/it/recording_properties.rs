//! What holds of recordings whatever a source sends: clocks that jump and wrap, any order, any bytes.

use proptest::collection::vec;
use proptest::prelude::*;
use zoetrope_shared::recordings::{Fragments, VIDEO_TRACK};
use zoetrope_worker::protocol_streams::Codec;
use zoetrope_worker::recording::muxer::{Muxer, Picture, Piece};
use zoetrope_worker::recording::parameters::{Facts, ParameterSets};

/// Parameter sets that x264 makes of 64 x 48 pixels with two B pictures.
const H264: [&str; 2] = ["6764000aacd9447b011000000300100000030320f1225960", "68ebe3cb22c0"];
/// The same of x265.
const H265: [&str; 3] = [
    "40010c01ffff01600000030090000003000003001e959009",
    "42010101600000030090000003000003001ea020831659592e4caf016808000003000800000300c840",
    "4401c173d089",
];

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).expect("digits"));
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).expect("digits"))
        .collect()
}

fn key_frame(codec: Codec) -> Vec<u8> {
    let (sets, slice): (&[&str], &[u8]) = match codec {
        Codec::H264 => (&H264, &[0x65, 0x88, 0x84]),
        Codec::H265 => (&H265, &[0x26, 0x01, 0xaf]),
    };
    let sets = sets.iter().map(|set| unhex(set)).chain([slice.to_vec()]);
    sets.flat_map(|unit| [&[0, 0, 0, 1][..], &unit].concat()).collect()
}

fn facts(codec: Codec) -> Facts {
    let sets = ParameterSets::within(codec, &key_frame(codec)).expect("they are complete");
    sets.facts().expect("they read")
}

#[test]
fn parameter_sets_say_size_and_order() {
    for codec in [Codec::H264, Codec::H265] {
        let facts = facts(codec);
        assert_eq!((facts.width, facts.height, facts.reorder), (64, 48, 2), "{codec:?}");
    }
}

#[test]
fn the_last_picture_after_a_pause_is_not_taken_to_last_as_long_as_the_pause() {
    // Of x264 without B pictures, so that pictures are decoded when they are shown.
    let sets = ["6742c00ada0a11f97011000003000100000300148f1226a0", "68ce0fc8"].map(unhex);
    let key = [
        &[0, 0, 0, 1][..],
        &sets[0],
        &[0, 0, 0, 1],
        &sets[1],
        &[0, 0, 0, 1, 0x65, 0x88],
    ]
    .concat();
    let (mut muxer, mut pieces) = (Muxer::default(), Vec::new());
    for (place, ms) in [0, 100, 200, 5_800].into_iter().enumerate() {
        let picture = Picture {
            data: if place == 0 {
                key.clone()
            } else {
                vec![0, 0, 1, 0x41, 0x9a]
            }
            .into(),
            codec: Codec::H264,
            is_key: place == 0,
            ticks: ms * 90,
            wall_ms: 1_000_000,
        };
        muxer.push(&picture, &mut pieces).expect("the parameter sets read");
    }
    muxer.break_off(&mut pieces);
    assert_eq!(pieces.last(), Some(&Piece::End { duration_ms: 5_900 }));
}

fn pictures() -> impl Strategy<Value = Vec<Picture>> {
    // Steps of a usual stream, back and forth, with now and then a leap of any length.
    let step = prop_oneof![
        8 => -6_000_i64..12_000,
        1 => any::<i32>().prop_map(i64::from),
        1 => Just(i64::from(u32::MAX)),
    ];
    let picture = (step, 0_u8..8, vec(any::<u8>(), 0..40), any::<bool>(), 0_u64..10_000);
    vec(picture, 1..120).prop_map(|steps| {
        let mut ticks = 0;
        let each = steps.into_iter().map(|(step, key, bytes, other, wall_ms)| {
            ticks += step;
            let is_key = key == 0;
            let codec = if other && is_key { Codec::H265 } else { Codec::H264 };
            let slice = [&[0, 0, 1, 0x41][..], &bytes].concat();
            Picture {
                data: if is_key { key_frame(codec) } else { slice }.into(),
                codec,
                is_key,
                ticks,
                wall_ms,
            }
        });
        each.collect()
    })
}

/// Checks what is written of one stream, and answers how many pictures there are.
fn check(pieces: &[Piece]) -> Result<usize, TestCaseError> {
    let (mut open, mut next, mut pictures) = (None, None, 0);
    for piece in pieces {
        match piece {
            Piece::Begin {
                init,
                new_stretch,
                starts_with_key,
                ..
            } => {
                prop_assert!(open.is_none(), "a segment begins within another");
                prop_assert!(init.starts_with(&[0, 0, 0, 24, b'f', b't', b'y', b'p']));
                prop_assert!(*starts_with_key || !new_stretch, "a stretch begins without a key frame");
                if *new_stretch {
                    next = Some(0);
                }
                open = Some(0_u64);
            }
            Piece::Part(part) => {
                let read = Fragments::of(part).expect("parts are fragments");
                prop_assert_eq!(read.whole_bytes, part.len());
                prop_assert_eq!(read.first_time(VIDEO_TRACK), next, "times are continuous");
                prop_assert!(read.video_ticks > 0);
                next = next.map(|next| next + read.video_ticks);
                open = open.map(|ticks| ticks + read.video_ticks);
                pictures += samples(part);
            }
            Piece::End { duration_ms } => {
                let ticks = open.take();
                prop_assert!(ticks.is_some_and(|ticks| (ticks / 90).abs_diff(u64::from(*duration_ms)) <= 1));
            }
        }
    }
    prop_assert!(open.is_none(), "the last segment ends");
    Ok(pictures)
}

/// Samples in a fragment: the number in its `trun`.
fn samples(part: &[u8]) -> usize {
    let trun = part
        .windows(4)
        .position(|kind| kind == b"trun")
        .expect("a fragment has samples");
    let count = &part[trun + 8..trun + 12];
    u32::from_be_bytes([count[0], count[1], count[2], count[3]]) as usize
}

proptest! {
    #[test]
    fn whatever_comes_what_is_written_is_whole_and_no_picture_is_lost(pictures in pictures()) {
        let (mut muxer, mut pieces) = (Muxer::default(), Vec::new());
        for picture in &pictures {
            muxer.push(picture, &mut pieces).expect("the parameter sets read");
        }
        muxer.break_off(&mut pieces);
        prop_assert_eq!(check(&pieces)? as u64 + muxer.orphans(), pictures.len() as u64);
    }

    #[test]
    fn no_parameter_sets_break_the_reader(h265: bool, sps in vec(any::<u8>(), 0..80), changes in vec((0_usize..60, any::<u8>()), 0..6), forged: bool) {
        let codec = if h265 { Codec::H265 } else { Codec::H264 };
        let mut sets = ParameterSets::within(codec, &key_frame(codec)).expect("they are complete");
        if forged {
            sets.sps[0] = sps;
        }
        for (at, byte) in changes {
            if let Some(place) = sets.sps[0].get_mut(at) {
                *place = byte;
            }
        }
        if let Ok(facts) = sets.facts() {
            prop_assert!((1..=65_535).contains(&facts.width) && facts.reorder <= 16);
            prop_assert!(!sets.sample_entry(&facts).is_empty());
        }
    }

    #[test]
    fn no_pictures_break_the_muxer(pictures in vec((vec(any::<u8>(), 0..60), any::<bool>(), any::<i32>(), any::<bool>()), 0..40)) {
        let (mut muxer, mut pieces) = (Muxer::default(), Vec::new());
        for (bytes, is_key, ticks, sets) in pictures {
            let data = if sets { [&key_frame(Codec::H264)[..], &bytes].concat() } else { bytes };
            let picture = Picture { data: data.into(), codec: Codec::H264, is_key, ticks: i64::from(ticks), wall_ms: 0 };
            // Sets that do not read are an answer, too.
            let _ = muxer.push(&picture, &mut pieces);
        }
        muxer.break_off(&mut pieces);
        check(&pieces)?;
    }
}
