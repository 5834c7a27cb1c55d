//! Playlists of HLS (RFC 8216), as far as a player of one variant needs them. Lines in, a playlist out; every count and length
//! that a server chooses is bounded, and the time is linear in the bytes.

use std::sync::Arc;

use zoetrope_shared::netguard::BytePart;

/// Largest playlist, bytes: some days of segments.
pub(super) const MAX_BYTES: u64 = 4 * 1_024 * 1_024;
/// Most segments, and most variants.
const MAX_SEGMENTS: usize = 50_000;
const MAX_VARIANTS: usize = 200;
/// Longest segment, and longest target duration, seconds.
const MAX_SEGMENT_S: f64 = 600.0;
const MAX_TARGET_S: u64 = 60;
/// Highest number of a segment, far from where numbers end.
const MAX_SEQUENCE: u64 = 1 << 62;
/// Pictures larger than this are not worth their price to a watcher, where there are smaller ones.
const ENOUGH_PIXELS: u64 = 1_920 * 1_088;

/// Why bytes are none.
pub(super) const NO_PLAYLIST: &str = "the URL leads to no HLS playlist";

/// What a URL leads to.
#[derive(Debug, PartialEq)]
pub(super) enum Playlist {
    /// The same in several qualities.
    Master(Vec<Variant>),
    /// Segments.
    Media(MediaPlaylist),
}

/// One quality.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variant {
    pub(super) uri: String,
    bandwidth: u64,
    /// Pixels, where it says so.
    pixels: Option<u64>,
    codecs: Option<String>,
}

/// Segments, in order.
#[derive(Debug, Default, PartialEq)]
pub(super) struct MediaPlaylist {
    /// No segment is longer, rounded to seconds.
    pub(super) target_s: u64,
    /// Number of the first segment.
    pub(super) sequence: u64,
    pub(super) segments: Vec<Segment>,
    /// No more will come.
    pub(super) ended: bool,
}

/// One segment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Segment {
    pub(super) uri: String,
    pub(super) seconds: f64,
    pub(super) range: Option<BytePart>,
    pub(super) key: Option<Arc<Key>>,
    pub(super) map: Option<Arc<Map>>,
    /// Times begin anew, and other things may.
    pub(super) discontinuity: bool,
    /// It is named and not there.
    pub(super) is_gap: bool,
}

impl Segment {
    /// How it, or what stands before it, is sealed, if that is not a way to open it.
    pub(super) fn sealed_otherwise(&self) -> Option<&str> {
        let keys = [
            self.key.as_deref(),
            self.map.as_ref().and_then(|map| map.key.as_deref()),
        ];
        keys.into_iter().flatten().find_map(|key| match key {
            Key::Other(method) => Some(method.as_str()),
            Key::Aes128 { .. } => None,
        })
    }
}

/// How segments are sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// AES-128 in CBC mode over the whole segment.
    Aes128 { uri: String, iv: Option<[u8; 16]> },
    /// Any other way, by its name.
    Other(String),
}

/// What stands before each segment of fragmented MP4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Map {
    pub(super) uri: String,
    pub(super) range: Option<BytePart>,
    pub(super) key: Option<Arc<Key>>,
}

/// Reads a playlist.
///
/// # Errors
/// Why it is none, for people.
pub(super) fn read(bytes: &[u8]) -> Result<Playlist, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| NO_PLAYLIST)?;
    let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim_end);
    if lines.next() != Some("#EXTM3U") {
        return Err(NO_PLAYLIST);
    }
    let mut reader = Reader::default();
    for line in lines.filter(|line| !line.is_empty()) {
        match line.strip_prefix("#EXT") {
            Some(tag) => reader.tag(tag)?,
            None if line.starts_with('#') => {}
            None => reader.uri(line)?,
        }
    }
    if !reader.variants.is_empty() {
        return Ok(Playlist::Master(reader.variants));
    }
    reader.playlist.target_s = reader.playlist.target_s.clamp(1, MAX_TARGET_S);
    Ok(Playlist::Media(reader.playlist))
}

/// The quality to play: the best that has no more pixels than anybody needs, of a codec that is taken.
pub(super) fn choose(variants: &[Variant]) -> Option<&Variant> {
    let taken = |variant: &&Variant| {
        let codecs = variant.codecs.as_deref();
        let mut codecs = codecs
            .map(|codecs| codecs.split(',').map(str::trim))
            .into_iter()
            .flatten()
            .peekable();
        codecs.peek().is_none()
            || codecs.any(|codec| ["avc", "hvc1", "hev1"].iter().any(|ours| codec.starts_with(ours)))
    };
    let is_enough = |variant: &&Variant| variant.pixels.is_none_or(|pixels| pixels <= ENOUGH_PIXELS);
    let bandwidth = |variant: &&Variant| variant.bandwidth;
    let all = || variants.iter().filter(taken);
    all()
        .filter(is_enough)
        .max_by_key(bandwidth)
        .or_else(|| all().min_by_key(bandwidth))
}

/// What the lines so far say of those to come.
#[derive(Debug, Default)]
struct Reader {
    variants: Vec<Variant>,
    playlist: MediaPlaylist,
    /// The quality whose URL is the next line.
    variant: Option<Variant>,
    seconds: f64,
    /// Length, and first byte unless it follows the range before.
    range: Option<(u64, Option<u64>)>,
    key: Option<Arc<Key>>,
    map: Option<Arc<Map>>,
    discontinuity: bool,
    is_gap: bool,
}

impl Reader {
    /// What follows `#EXT` in a line.
    fn tag(&mut self, tag: &str) -> Result<(), &'static str> {
        let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
        match name {
            "INF" => {
                let seconds = value
                    .split(',')
                    .next()
                    .and_then(|seconds| seconds.trim().parse::<f64>().ok());
                self.seconds = seconds
                    .filter(|seconds| seconds.is_finite())
                    .unwrap_or(0.0)
                    .clamp(0.0, MAX_SEGMENT_S);
            }
            "-X-TARGETDURATION" => self.playlist.target_s = value.trim().parse().unwrap_or_default(),
            "-X-MEDIA-SEQUENCE" => {
                let sequence = value.trim().parse().ok().filter(|sequence| *sequence <= MAX_SEQUENCE);
                self.playlist.sequence = sequence.ok_or("the number of the playlist's first segment is none")?;
            }
            "-X-ENDLIST" => self.playlist.ended = true,
            "-X-DISCONTINUITY" => self.discontinuity = true,
            "-X-GAP" => self.is_gap = true,
            "-X-BYTERANGE" => self.range = Some(range_of(value)?),
            "-X-KEY" => self.key = key_of(value)?.map(Arc::new),
            "-X-MAP" => self.map = Some(Arc::new(map_of(value, self.key.clone())?)),
            "-X-STREAM-INF" => self.variant = Some(variant_of(value)),
            _ => {}
        }
        Ok(())
    }

    fn uri(&mut self, uri: &str) -> Result<(), &'static str> {
        let uri = uri.to_owned();
        if let Some(variant) = self.variant.take() {
            self.variants.push(Variant { uri, ..variant });
            return if self.variants.len() > MAX_VARIANTS {
                Err("the playlist names too many variants")
            } else {
                Ok(())
            };
        }
        let segments = &mut self.playlist.segments;
        let range = self.range.take().map(|(length, first)| {
            let before = segments
                .last()
                .filter(|before| before.uri == uri)
                .and_then(|before| before.range);
            let follows = before.map_or(0, |before| before.first.saturating_add(before.length));
            BytePart {
                first: first.unwrap_or(follows),
                length,
            }
        });
        segments.push(Segment {
            uri,
            seconds: std::mem::take(&mut self.seconds),
            range,
            key: self.key.clone(),
            map: self.map.clone(),
            discontinuity: std::mem::take(&mut self.discontinuity),
            is_gap: std::mem::take(&mut self.is_gap),
        });
        if segments.len() > MAX_SEGMENTS {
            Err("the playlist names too many segments")
        } else {
            Ok(())
        }
    }
}

/// A quality whose URL follows.
fn variant_of(value: &str) -> Variant {
    let number = |name| attribute(value, name).and_then(|number| number.parse::<u64>().ok());
    let size = attribute(value, "RESOLUTION").and_then(|size| size.split_once('x'));
    let size = size.and_then(|(width, height)| Some((width.parse::<u32>().ok()?, height.parse::<u32>().ok()?)));
    Variant {
        uri: String::new(),
        bandwidth: number("BANDWIDTH").unwrap_or(0),
        pixels: size.map(|(width, height)| u64::from(width) * u64::from(height)),
        codecs: attribute(value, "CODECS").map(str::to_owned),
    }
}

fn map_of(value: &str, key: Option<Arc<Key>>) -> Result<Map, &'static str> {
    let range = attribute(value, "BYTERANGE").map(range_of).transpose()?;
    Ok(Map {
        uri: attribute(value, "URI").ok_or("a map has no URI")?.to_owned(),
        range: range.map(|(length, first)| BytePart {
            first: first.unwrap_or(0),
            length,
        }),
        key,
    })
}

/// `<length>[@<first>]`.
fn range_of(value: &str) -> Result<(u64, Option<u64>), &'static str> {
    let (length, first) = value
        .split_once('@')
        .map_or((value, None), |(length, first)| (length, Some(first)));
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| "a byte range is none");
    Ok((number(length)?, first.map(number).transpose()?))
}

fn key_of(value: &str) -> Result<Option<Key>, &'static str> {
    let method = attribute(value, "METHOD").ok_or("a key has no method")?;
    let format = attribute(value, "KEYFORMAT").filter(|format| *format != "identity");
    let short = |text: &str| {
        text.chars()
            .filter(|char| !char.is_control())
            .take(40)
            .collect::<String>()
    };
    match (method, format) {
        ("NONE", _) => Ok(None),
        ("AES-128", None) => Ok(Some(Key::Aes128 {
            uri: attribute(value, "URI").ok_or("a key has no URI")?.to_owned(),
            iv: attribute(value, "IV").map(iv_of).transpose()?,
        })),
        (other, None) => Ok(Some(Key::Other(short(other)))),
        (other, Some(format)) => Ok(Some(Key::Other(format!("{} of {}", short(other), short(format))))),
    }
}

/// `0x` and up to 32 digits.
fn iv_of(value: &str) -> Result<[u8; 16], &'static str> {
    let digits = value
        .strip_prefix("0x")
        .or_else(|| value.strip_prefix("0X"))
        .unwrap_or_default();
    let number = u128::from_str_radix(digits, 16).ok().filter(|_| digits.len() <= 32);
    number.map(u128::to_be_bytes).ok_or("an initialization vector is none")
}

/// The value of an attribute in a list of them, without its quotes.
fn attribute<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = list;
    while let Some((key, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted
                .split_once('"')
                .map(|(value, after)| (value, after.trim_start_matches(',')))?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if key.trim() == name {
            return Some(value);
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn media(text: &str) -> MediaPlaylist {
        match read(text.as_bytes()) {
            Ok(Playlist::Media(media)) => media,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn segments_have_what_the_tags_before_them_say() {
        let media = media(
            "#EXTM3U\r\n#EXT-X-TARGETDURATION:6\r\n#EXT-X-MEDIA-SEQUENCE:7\n#a comment\n#EXTINF:5.5,a title\na.ts\n\
             #EXT-X-KEY:METHOD=AES-128,URI=\"key?a=b,c\",IV=0x0102\n#EXTINF:6,\n#EXT-X-DISCONTINUITY\nb.ts\n\
             #EXT-X-KEY:METHOD=NONE\n#EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"100@8\"\n#EXT-X-BYTERANGE:10@20\nc.mp4\n\
             #EXT-X-BYTERANGE:5\n#EXT-X-GAP\nc.mp4\n#EXT-X-ENDLIST",
        );
        assert_eq!(
            (media.target_s, media.sequence, media.ended, media.segments.len()),
            (6, 7, true, 4)
        );
        let [a, b, c, d] = &media.segments[..] else {
            panic!("four")
        };
        assert_eq!(
            (a.uri.as_str(), a.seconds, a.discontinuity, &a.key),
            ("a.ts", 5.5, false, &None)
        );
        let mut iv = [0; 16];
        iv[14..].copy_from_slice(&[1, 2]);
        let key = Key::Aes128 {
            uri: "key?a=b,c".to_owned(),
            iv: Some(iv),
        };
        assert_eq!((b.discontinuity, b.key.as_deref()), (true, Some(&key)));
        let map = Map {
            uri: "init.mp4".to_owned(),
            range: Some(BytePart { first: 8, length: 100 }),
            key: None,
        };
        assert_eq!(
            (c.map.as_deref(), c.range, &c.key),
            (Some(&map), Some(BytePart { first: 20, length: 10 }), &None)
        );
        assert_eq!(
            (d.range, d.is_gap, c.is_gap),
            (Some(BytePart { first: 30, length: 5 }), true, false)
        );
    }

    #[test]
    fn other_ways_to_seal_are_named_and_what_does_not_read_is_refused() {
        let sealed = media("#EXTM3U\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://a\"\na.ts");
        assert_eq!(sealed.segments[0].sealed_otherwise(), Some("SAMPLE-AES"));
        let map = media(
            "#EXTM3U\n#EXT-X-KEY:METHOD=SAMPLE-AES-CTR,URI=\"a\"\n#EXT-X-MAP:URI=\"b\"\n#EXT-X-KEY:METHOD=NONE\na.mp4",
        );
        assert_eq!(map.segments[0].sealed_otherwise(), Some("SAMPLE-AES-CTR"));
        let drm = media("#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"a\",KEYFORMAT=\"com.apple\"\na.ts");
        assert_eq!(drm.segments[0].sealed_otherwise(), Some("AES-128 of com.apple"));
        for none in [
            "",
            "<html>",
            "#EXTM3U\n#EXT-X-MAP:\na",
            "#EXTM3U\n#EXT-X-BYTERANGE:x\na",
            "#EXTM3U\n#EXT-X-KEY:IV=0\na",
            "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:18446744073709551615\na",
        ] {
            assert!(read(none.as_bytes()).is_err(), "{none:?}");
        }
        let many = format!("#EXTM3U\n{}", "a\n".repeat(MAX_SEGMENTS + 1));
        assert!(read(many.as_bytes()).is_err());
    }

    #[test]
    fn the_best_variant_that_is_large_enough_and_can_be_decoded_is_chosen() {
        let variant = |bandwidth: u64, attributes: &str| {
            format!("#EXT-X-STREAM-INF:BANDWIDTH={bandwidth}{attributes}\n{bandwidth}.m3u8\n")
        };
        let chosen = |variants: &[String]| {
            let text = format!("#EXTM3U\n{}", variants.concat());
            match read(text.as_bytes()) {
                Ok(Playlist::Master(variants)) => choose(&variants).map(|variant| variant.uri.clone()),
                other => panic!("{other:?}"),
            }
        };
        let small = variant(500, ",RESOLUTION=640x360,CODECS=\"avc1.4d401e,mp4a.40.2\"");
        let full = variant(3_000, ",CODECS=\"mp4a.40.2,avc1.640028\",RESOLUTION=1920x1080");
        let large = variant(9_000, ",RESOLUTION=3840x2160");
        let sound = variant(64, ",CODECS=\"mp4a.40.2\"");
        let other = variant(4_000, ",RESOLUTION=1280x720,CODECS=\"av01.0.05M.08\"");
        assert_eq!(
            chosen(&[small.clone(), large.clone(), full, other.clone()]).as_deref(),
            Some("3000.m3u8")
        );
        assert_eq!(chosen(&[large, sound.clone()]).as_deref(), Some("9000.m3u8"));
        assert_eq!(chosen(&[sound, other]), None);
        assert_eq!(
            chosen(&[variant(1, ""), small, variant(700, "")]).as_deref(),
            Some("700.m3u8")
        );
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(lines in prop::collection::vec("(#EXT-X-(KEY|MAP|STREAM-INF|BYTERANGE|MEDIA-SEQUENCE):)?[ -~]{0,40}", 0..30)) {
            if let Ok(Playlist::Master(variants)) = read(format!("#EXTM3U\n{}", lines.join("\n")).as_bytes()) {
                let _ = choose(&variants);
            }
        }
    }
}
