//! Init segments: what a player has to know before the first fragment (ISO/IEC 14496-12, 8.1 to 8.8).

use zoetrope_shared::recordings::{SOUND_TRACK, VIDEO_TIMESCALE, VIDEO_TRACK};

use super::boxes::{boxed, numbers, versioned};
use super::parameters::{Facts, ParameterSets};
use super::sound::SoundTrack;

/// No rotation, no scale.
const IDENTITY: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];
/// `und`, as three letters of five bits.
const NO_LANGUAGE: u32 = 0x55c4_0000;

/// What the boxes of a track say.
struct Track<'a> {
    id: u32,
    timescale: u32,
    /// Pixels; nothing for sound.
    size: (u32, u32),
    /// Full, if there is any.
    volume: u32,
    handler: &'a [u8; 4],
    entry: &'a [u8],
}

/// The init segment of a stream with these parameter sets, and sound if it has any.
pub fn init_segment(sets: &ParameterSets, facts: &Facts, sound: Option<&SoundTrack>) -> Vec<u8> {
    let pictures = Track {
        id: VIDEO_TRACK,
        timescale: VIDEO_TIMESCALE,
        size: (facts.width, facts.height),
        volume: 0,
        handler: b"vide",
        entry: &sets.sample_entry(facts),
    };
    let sound = sound.map(|sound| Track {
        id: SOUND_TRACK,
        timescale: sound.rate,
        size: (0, 0),
        volume: 0x0100_0000,
        handler: b"soun",
        entry: &sound.entry,
    });
    let tracks: Vec<Track<'_>> = std::iter::once(pictures).chain(sound).collect();
    let mut out = Vec::new();
    boxed(&mut out, b"ftyp", |out| {
        out.extend_from_slice(b"iso6\0\0\0\0iso6mp41");
    });
    boxed(&mut out, b"moov", |out| {
        versioned(out, b"mvhd", 0, 0, |out| {
            numbers(out, &[0, 0, 1_000, 0, 0x1_0000, 0x0100_0000, 0, 0]);
            numbers(out, &IDENTITY);
            numbers(out, &[0; 6]);
            numbers(out, &[SOUND_TRACK + 1]);
        });
        for track in &tracks {
            boxed(out, b"trak", |out| append_track(out, track));
        }
        boxed(out, b"mvex", |out| {
            for track in &tracks {
                versioned(out, b"trex", 0, 0, |out| numbers(out, &[track.id, 1, 0, 0, 0]));
            }
        });
    });
    out
}

fn append_track(out: &mut Vec<u8>, track: &Track<'_>) {
    // Enabled, and part of what is shown.
    versioned(out, b"tkhd", 0, 3, |out| {
        numbers(out, &[0, 0, track.id, 0, 0, 0, 0, 0, track.volume]);
        numbers(out, &IDENTITY);
        numbers(out, &[track.size.0 << 16, track.size.1 << 16]);
    });
    boxed(out, b"mdia", |out| {
        versioned(out, b"mdhd", 0, 0, |out| {
            numbers(out, &[0, 0, track.timescale, 0, NO_LANGUAGE]);
        });
        versioned(out, b"hdlr", 0, 0, |out| {
            numbers(out, &[0]);
            out.extend_from_slice(track.handler);
            out.extend_from_slice(&[0; 13]);
        });
        boxed(out, b"minf", |out| {
            match track.handler {
                b"soun" => versioned(out, b"smhd", 0, 0, |out| numbers(out, &[0])),
                _ => versioned(out, b"vmhd", 0, 1, |out| numbers(out, &[0, 0])),
            }
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
                    out.extend_from_slice(track.entry);
                });
                versioned(out, b"stts", 0, 0, |out| numbers(out, &[0]));
                versioned(out, b"stsc", 0, 0, |out| numbers(out, &[0]));
                versioned(out, b"stsz", 0, 0, |out| numbers(out, &[0, 0]));
                versioned(out, b"stco", 0, 0, |out| numbers(out, &[0]));
            });
        });
    });
}
