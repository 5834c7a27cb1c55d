//! Which segment comes next: a state machine over the playlists as they are loaded (RFC 8216, 6.3.3 and 6.3.4).

use std::time::Duration;

use super::playlist::{MediaPlaylist, Segment};

/// A live playlist is begun so many target durations before its end.
const BEHIND: f64 = 3.0;
/// What an earlier connection read is continued if that is no further behind.
const STILL_LIVE: f64 = 2.0 * BEHIND;

/// Where to begin.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Begin {
    /// Of a playlist that is over: the time into it.
    pub(super) elapsed: Duration,
    /// Of one that grows: the number of the segment after those that were read before, if there are such.
    pub(super) after: Option<u64>,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) enum Next<'a> {
    /// To read this segment, the one of this number.
    Segment(u64, &'a Segment),
    /// To load the playlist again, so long after it was last asked for.
    Wait(Duration),
    /// Nothing: it is over.
    End,
    /// To connect anew: what comes next is not there any more, or the server counts anew.
    Lost,
}

/// How far a playlist was read.
#[derive(Debug, Default)]
pub(super) struct Follow {
    /// Number of the next segment.
    next: Option<u64>,
    /// The playlist that was loaded last, as far as changes show in it.
    seen: Option<(u64, usize, bool)>,
    unchanged: bool,
}

impl Follow {
    /// A playlist was loaded. Answers whether anything in it is new.
    pub(super) fn loaded(&mut self, playlist: &MediaPlaylist, begin: Begin) -> bool {
        let seen = (playlist.sequence, playlist.segments.len(), playlist.ended);
        self.unchanged = self.seen.replace(seen) == Some(seen);
        if self.next.is_none() && !playlist.segments.is_empty() {
            self.next = Some(first(playlist, begin));
        }
        !self.unchanged
    }

    /// What is to be done with the playlist that was loaded last.
    pub(super) fn next<'a>(&self, playlist: &'a MediaPlaylist) -> Next<'a> {
        let end = end_of(playlist);
        let next = self.next.unwrap_or(end);
        let Some(ahead) = next.checked_sub(playlist.sequence) else {
            return Next::Lost;
        };
        match usize::try_from(ahead)
            .ok()
            .and_then(|ahead| playlist.segments.get(ahead))
        {
            Some(segment) => Next::Segment(next, segment),
            None if playlist.ended => Next::End,
            // The server began to count anew.
            None if next > end => Next::Lost,
            None => {
                let target = Duration::from_secs(playlist.target_s);
                Next::Wait(if self.unchanged { target / 2 } else { target })
            }
        }
    }

    /// The segment was read, or given up.
    pub(super) fn done(&mut self) {
        self.next = self.next.map(|next| next.saturating_add(1));
    }
}

/// Number of the segment to begin with.
fn first(playlist: &MediaPlaylist, begin: Begin) -> u64 {
    if playlist.ended {
        return playlist.sequence + at(playlist, begin.elapsed) as u64;
    }
    let oldest = playlist.sequence + near_the_end(playlist, STILL_LIVE) as u64;
    let continued = begin.after.filter(|after| (oldest..=end_of(playlist)).contains(after));
    continued.unwrap_or_else(|| playlist.sequence + near_the_end(playlist, BEHIND) as u64)
}

/// Number of the segment after the last one.
fn end_of(playlist: &MediaPlaylist) -> u64 {
    playlist.sequence + playlist.segments.len() as u64
}

/// The segment of this time; the number of them if it is past their end.
fn at(playlist: &MediaPlaylist, elapsed: Duration) -> usize {
    let mut end = 0.0;
    let is_over = |segment: &&Segment| {
        end += segment.seconds;
        end <= elapsed.as_secs_f64()
    };
    playlist.segments.iter().take_while(is_over).count()
}

/// The first segment that lies within so many target durations of the end, and at least the last one.
fn near_the_end(playlist: &MediaPlaylist, targets: f64) -> usize {
    let behind = targets * playlist.target_s as f64;
    let mut length = 0.0;
    let is_near = |segment: &&Segment| {
        length += segment.seconds;
        length <= behind
    };
    let near = playlist.segments.iter().rev().take_while(is_near).count();
    playlist.segments.len() - near.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn playlist(sequence: u64, count: usize, ended: bool) -> MediaPlaylist {
        let segment = Segment {
            uri: "a.ts".to_owned(),
            seconds: 2.0,
            range: None,
            key: None,
            map: None,
            discontinuity: false,
            is_gap: false,
        };
        MediaPlaylist {
            target_s: 2,
            sequence,
            segments: vec![segment; count],
            ended,
        }
    }

    fn number(next: &Next<'_>) -> Option<u64> {
        match next {
            Next::Segment(number, _) => Some(*number),
            Next::Wait(_) | Next::End | Next::Lost => None,
        }
    }

    fn into(seconds: u64) -> Begin {
        Begin {
            elapsed: Duration::from_secs(seconds),
            after: None,
        }
    }

    #[test]
    fn a_live_playlist_is_begun_three_targets_before_its_end_and_loaded_when_it_may_be() {
        let mut follow = Follow::default();
        let first = playlist(100, 8, false);
        assert!(follow.loaded(&first, into(3)));
        for expected in 105..108 {
            assert_eq!(number(&follow.next(&first)), Some(expected));
            follow.done();
        }
        assert_eq!(follow.next(&first), Next::Wait(Duration::from_secs(2)));
        assert!(!follow.loaded(&first, into(0)));
        assert_eq!(
            follow.next(&first),
            Next::Wait(Duration::from_secs(1)),
            "it has not grown"
        );
        let second = playlist(102, 8, false);
        assert!(follow.loaded(&second, into(0)));
        assert_eq!(number(&follow.next(&second)), Some(108));
    }

    #[test]
    fn what_is_gone_and_a_count_that_begins_anew_are_noticed() {
        let mut follow = Follow::default();
        follow.loaded(&playlist(100, 3, false), into(0));
        for (sequence, lost) in [(99, false), (101, true), (7, true)] {
            let later = playlist(sequence, 3, false);
            follow.loaded(&later, into(0));
            assert_eq!(follow.next(&later) == Next::Lost, lost, "{sequence}");
        }
    }

    #[test]
    fn another_connection_goes_on_where_the_one_before_stopped_unless_that_is_long_ago() {
        // Twenty segments of two seconds, 100 to 119.
        for (after, expected) in [
            (120, None),
            (119, Some(119)),
            (114, Some(114)),
            (113, Some(117)),
            (121, Some(117)),
            (7, Some(117)),
        ] {
            let live = playlist(100, 20, false);
            let mut follow = Follow::default();
            let begin = Begin {
                after: Some(after),
                ..Begin::default()
            };
            follow.loaded(&live, begin);
            assert_eq!(number(&follow.next(&live)), expected, "{after}");
        }
    }

    #[test]
    fn a_playlist_that_is_over_is_begun_where_the_stream_stands_and_ends() {
        for (elapsed, expected) in [(0, Some(0)), (1, Some(0)), (2, Some(1)), (5, Some(2)), (6, None)] {
            let film = playlist(0, 3, true);
            let mut follow = Follow::default();
            follow.loaded(&film, into(elapsed));
            assert_eq!(number(&follow.next(&film)), expected, "{elapsed} s");
        }
        let film = playlist(0, 1, true);
        let mut follow = Follow::default();
        follow.loaded(&film, into(0));
        follow.done();
        assert_eq!(follow.next(&film), Next::End);
    }

    #[test]
    fn an_empty_live_playlist_is_waited_for() {
        let mut follow = Follow::default();
        follow.loaded(&playlist(0, 0, false), into(0));
        assert_eq!(follow.next(&playlist(0, 0, false)), Next::Wait(Duration::from_secs(2)));
        follow.loaded(&playlist(0, 1, false), into(0));
        assert_eq!(number(&follow.next(&playlist(0, 1, false))), Some(0));
    }
}
