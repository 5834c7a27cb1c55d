//! HLS playlists of recordings (RFC 8216 and its second edition's draft). Pure.

use std::fmt::Write as _;

use zoetrope_shared::recordings::{Segment, SegmentName, Timeline};
use zoetrope_shared::wire::rfc3339_ms;

/// Segments in the playlist of what is going on now.
const LIVE_SEGMENTS: usize = 6;

/// The playlist of a part that plays from its start to its end. `query` follows every URL, with its question mark.
pub(crate) fn finished(timeline: &Timeline, query: &str) -> String {
    let segments: Vec<(Segment, bool)> = timeline.segments().collect();
    let mut text = head(&segments);
    text.push_str("#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MEDIA-SEQUENCE:0\n");
    append(&mut text, &segments, query);
    text.push_str("#EXT-X-ENDLIST\n");
    text
}

/// The playlist of what is going on now: the last segments of all that there are. A player asks again and again, and knows
/// segments by their numbers, so these are counted by what every answer agrees on: the last one's.
pub(crate) fn live(timeline: &Timeline, query: &str) -> String {
    let segments: Vec<(Segment, bool)> = timeline.segments().collect();
    let window = &segments[segments.len().saturating_sub(LIVE_SEGMENTS)..];
    let mut text = head(window);
    let first = window.first().map_or(0, |(segment, _)| media_number(segment));
    let breaks = window.first().map_or(0, |(segment, _)| segment.epoch);
    let _ = writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{first}");
    let _ = writeln!(text, "#EXT-X-DISCONTINUITY-SEQUENCE:{breaks}");
    append(&mut text, window, query);
    text
}

/// Numbers rise from segment to segment and from worker to worker.
fn media_number(segment: &Segment) -> u64 {
    u64::from(segment.epoch) << 24 | u64::from(segment.seq & 0x00ff_ffff)
}

fn head(segments: &[(Segment, bool)]) -> String {
    let longest = segments.iter().map(|(segment, _)| segment.duration_ms).max();
    let target = longest.unwrap_or(1).div_ceil(1_000).max(1);
    // Version 7: fragmented MP4.
    format!("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-INDEPENDENT-SEGMENTS\n")
        .replace("#EXT-X-INDEPENDENT-SEGMENTS\n", independent(segments))
}

fn independent(segments: &[(Segment, bool)]) -> &'static str {
    let all = segments.iter().all(|(segment, _)| segment.starts_with_key);
    if all { "#EXT-X-INDEPENDENT-SEGMENTS\n" } else { "" }
}

fn append(text: &mut String, segments: &[(Segment, bool)], query: &str) {
    for (number, (segment, begins)) in segments.iter().enumerate() {
        if *begins && number > 0 {
            text.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if *begins || number == 0 {
            let _ = writeln!(text, "#EXT-X-MAP:URI=\"init/{}.mp4{query}\"", segment.init);
            let _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", rfc3339_ms(segment.start_ms));
        }
        let (seconds, ms) = (segment.duration_ms / 1_000, segment.duration_ms % 1_000);
        let _ = writeln!(
            text,
            "#EXTINF:{seconds}.{ms:03},\nsegments/{}{query}",
            SegmentName(*segment)
        );
    }
}

#[cfg(test)]
mod tests {
    use zoetrope_shared::recordings::{InitName, Row};

    use super::*;

    fn segment(number: u32, epoch: u32, new_stretch: bool) -> Segment {
        Segment {
            start_ms: 1_700_000_000_000 + u64::from(number) * 4_000,
            duration_ms: 4_004,
            bytes: 10,
            epoch,
            seq: number,
            init: InitName::parse("0badcafe").expect("a name"),
            new_stretch,
            starts_with_key: true,
        }
    }

    fn timeline(segments: &[Segment]) -> Timeline {
        let rows: Vec<Row> = segments.iter().map(|segment| Row::Segment(*segment)).collect();
        Timeline::of(&rows)
    }

    #[test]
    fn a_finished_playlist_names_every_segment_and_every_break() {
        let timeline = timeline(&[segment(0, 1, true), segment(1, 1, false), segment(2, 2, true)]);
        let expected = "#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:5
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-MAP:URI=\"init/0badcafe.mp4?grant=g\"
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.000Z
#EXTINF:4.004,
segments/1700000000000-000001-00000000-4004-10-0badcafe-n.m4s?grant=g
#EXTINF:4.004,
segments/1700000004000-000001-00000001-4004-10-0badcafe-c.m4s?grant=g
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI=\"init/0badcafe.mp4?grant=g\"
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:28.000Z
#EXTINF:4.004,
segments/1700000008000-000002-00000002-4004-10-0badcafe-n.m4s?grant=g
#EXT-X-ENDLIST
";
        assert_eq!(finished(&timeline, "?grant=g"), expected);
    }

    #[test]
    fn a_live_playlist_goes_on_where_the_last_one_was() {
        let segments: Vec<Segment> = (0..9).map(|number| segment(number, 1, number == 0)).collect();
        let before = live(&timeline(&segments[..8]), "");
        let after = live(&timeline(&segments), "");
        assert!(before.contains("#EXT-X-MEDIA-SEQUENCE:16777218\n"), "{before}");
        assert!(after.contains("#EXT-X-MEDIA-SEQUENCE:16777219\n"), "{after}");
        assert!(
            !after.contains("ENDLIST") && after.matches("#EXTINF").count() == LIVE_SEGMENTS,
            "{after}"
        );
        assert!(after.contains("#EXT-X-MAP"), "{after}");
    }

    #[test]
    fn segments_that_need_others_are_not_called_independent() {
        let other = Segment {
            starts_with_key: false,
            ..segment(1, 1, false)
        };
        assert!(!finished(&timeline(&[segment(0, 1, true), other]), "").contains("INDEPENDENT"));
    }
}
