//! What holds of the reader of playlists whatever bytes a server sends: for `crate::fuzz`, which says how it is run.

use std::time::Duration;

use super::follow::{Begin, Follow, Next};
use super::playlist::{self, Playlist};
use crate::fuzz::Pieces;

/// Playlists of one source, loaded one after the other: each piece is one.
pub fn playlist(bytes: &[u8]) {
    let (mut follow, mut last) = (Follow::default(), None);
    let begin = Begin {
        elapsed: Duration::from_secs(3),
        after: bytes.first().map(|byte| u64::from(*byte)),
    };
    for piece in Pieces::of(bytes) {
        let marked = [b"#EXTM3U\n", piece].concat();
        let read = [piece, &marked]
            .into_iter()
            .find_map(|bytes| playlist::read(bytes).ok());
        let list = match read {
            None => continue,
            Some(Playlist::Media(list)) => list,
            Some(Playlist::Master(variants)) => {
                let chosen = playlist::choose(&variants);
                assert!(
                    chosen.is_none_or(|chosen| variants.contains(chosen)),
                    "a variant from nowhere"
                );
                continue;
            }
        };
        follow.loaded(&list, begin);
        loop {
            match follow.next(&list) {
                Next::Segment(number, segment) => {
                    assert!(last.is_none_or(|last| number > last), "a segment twice");
                    assert!(segment.seconds.is_finite() && segment.seconds >= 0.0, "no length");
                    assert!(Duration::try_from_secs_f64(segment.seconds).is_ok());
                    last = Some(number);
                    follow.done();
                }
                Next::Wait(pause) => {
                    assert!(pause >= Duration::from_millis(500), "a server is asked all the time");
                    break;
                }
                Next::End | Next::Lost => break,
            }
        }
    }
}
