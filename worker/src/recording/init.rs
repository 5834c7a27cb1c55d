//! Init segments: what a player has to know before the first fragment (ISO/IEC 14496-12, 8.1 to 8.8).

use zoetrope_shared::recordings::{VIDEO_TIMESCALE, VIDEO_TRACK};

use super::boxes::{boxed, numbers, versioned};
use super::parameters::{Facts, ParameterSets};

/// No rotation, no scale.
const IDENTITY: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];
/// `und`, as three letters of five bits.
const NO_LANGUAGE: u32 = 0x55c4_0000;

/// The init segment of a stream with these parameter sets.
pub fn init_segment(sets: &ParameterSets, facts: &Facts) -> Vec<u8> {
    let mut out = Vec::new();
    boxed(&mut out, b"ftyp", |out| {
        out.extend_from_slice(b"iso6\0\0\0\0iso6mp41");
    });
    boxed(&mut out, b"moov", |out| {
        versioned(out, b"mvhd", 0, 0, |out| {
            numbers(out, &[0, 0, 1_000, 0, 0x1_0000, 0x0100_0000, 0, 0]);
            numbers(out, &IDENTITY);
            numbers(out, &[0; 6]);
            numbers(out, &[VIDEO_TRACK + 1]);
        });
        boxed(out, b"trak", |out| track(out, sets, facts));
        boxed(out, b"mvex", |out| {
            versioned(out, b"trex", 0, 0, |out| numbers(out, &[VIDEO_TRACK, 1, 0, 0, 0]));
        });
    });
    out
}

fn track(out: &mut Vec<u8>, sets: &ParameterSets, facts: &Facts) {
    // Enabled, and part of what is shown.
    versioned(out, b"tkhd", 0, 3, |out| {
        numbers(out, &[0, 0, VIDEO_TRACK, 0, 0, 0, 0, 0, 0]);
        numbers(out, &IDENTITY);
        numbers(out, &[facts.width << 16, facts.height << 16]);
    });
    boxed(out, b"mdia", |out| {
        versioned(out, b"mdhd", 0, 0, |out| {
            numbers(out, &[0, 0, VIDEO_TIMESCALE, 0, NO_LANGUAGE]);
        });
        versioned(out, b"hdlr", 0, 0, |out| {
            out.extend_from_slice(b"\0\0\0\0vide\0\0\0\0\0\0\0\0\0\0\0\0\0");
        });
        boxed(out, b"minf", |out| {
            versioned(out, b"vmhd", 0, 1, |out| numbers(out, &[0, 0]));
            boxed(out, b"dinf", |out| {
                versioned(out, b"dref", 0, 0, |out| {
                    numbers(out, &[1]);
                    // In this very file.
                    versioned(out, b"url ", 0, 1, |_| {});
                });
            });
            boxed(out, b"stbl", |out| {
                versioned(out, b"stsd", 0, 0, |out| {
                    numbers(out, &[1]);
                    out.extend_from_slice(&sets.sample_entry(facts));
                });
                versioned(out, b"stts", 0, 0, |out| numbers(out, &[0]));
                versioned(out, b"stsc", 0, 0, |out| numbers(out, &[0]));
                versioned(out, b"stsz", 0, 0, |out| numbers(out, &[0, 0]));
                versioned(out, b"stco", 0, 0, |out| numbers(out, &[0]));
            });
        });
    });
}
