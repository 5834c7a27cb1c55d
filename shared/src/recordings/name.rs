//! How the objects of recordings are named. Every path is made here, from parts that cannot hold a separator.
//!
//! | object | holds |
//! |---|---|
//! | `recordings/<tenant>/<stream>/init/<init>.mp4` | an init segment, named by its content |
//! | `recordings/<tenant>/<stream>/<hour>/<segment>.m4s` | a segment: `<start>-<epoch>-<seq>-<duration>-<bytes>-<init>-<flags>` |
//! | the same folder, `<start>-<epoch>-<seq>-<init>-<flags>.part` | one that is being written, in a local directory |
//! | `recordings/<tenant>/<stream>/index/<hour>-<name>.rows` | the rows of an hour that is sealed, named by their content |
//!
//! Times are milliseconds; hours, starts, epochs and numbers have leading zeros, so that names sort by time.

use std::fmt;

use object_store::path::Path;
use sha2::{Digest, Sha256};

use super::index::HOUR_MS;
use super::row::Segment;
use crate::tenant::Tenant;

/// Folder of all recordings.
const FOLDER: &str = "recordings";
/// Extension of a segment.
const SEGMENT: &str = ".m4s";
/// Extension of a segment that is being written.
const PART: &str = ".part";
/// Flags in names: the segment is not the continuation of the one before; it does not begin with a key frame.
const NEW_STRETCH: char = 'n';
const WITHOUT_KEY: char = 'd';
const NO_FLAG: char = 'c';

/// An init segment, by the first bytes of its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InitName(pub(super) u32);

/// A segment as it is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentName(pub Segment);

impl InitName {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let hash = Sha256::digest(bytes);
        Self(u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]))
    }

    /// From `<init>` or `<init>.mp4`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix(".mp4").unwrap_or(text);
        let plain = text.len() == 8 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        u32::from_str_radix(text, 16).ok().filter(|_| plain).map(Self)
    }
}

impl fmt::Display for InitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Segment {
            start_ms, epoch, seq, ..
        } = self.0;
        let Segment {
            duration_ms,
            bytes,
            init,
            ..
        } = self.0;
        let flags = flags(&self.0);
        write!(
            f,
            "{start_ms:013}-{epoch:06}-{seq:08}-{duration_ms}-{bytes}-{init}-{flags}{SEGMENT}"
        )
    }
}

impl SegmentName {
    /// From the name of an object or the end of a URL.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_suffix(SEGMENT)?.split('-');
        let (start_ms, epoch, seq) = (
            parts.next()?.parse().ok()?,
            parts.next()?.parse().ok()?,
            parts.next()?.parse().ok()?,
        );
        let (duration_ms, bytes) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let name = Self(read(
            start_ms,
            epoch,
            seq,
            duration_ms,
            bytes,
            parts.next()?,
            parts.next()?,
        )?);
        // Only as it is written: a segment has one name.
        (parts.next().is_none() && name.to_string() == text).then_some(name)
    }

    /// The name of a segment that is being written.
    pub(super) fn part(&self) -> String {
        let Segment {
            start_ms,
            epoch,
            seq,
            init,
            ..
        } = self.0;
        let flags = flags(&self.0);
        format!("{start_ms:013}-{epoch:06}-{seq:08}-{init}-{flags}{PART}")
    }

    /// From the name of one that was being written; its duration and size are 0.
    pub(super) fn parse_part(text: &str) -> Option<Self> {
        let mut parts = text.strip_suffix(PART)?.split('-');
        let (start_ms, epoch, seq) = (
            parts.next()?.parse().ok()?,
            parts.next()?.parse().ok()?,
            parts.next()?.parse().ok()?,
        );
        read(start_ms, epoch, seq, 0, 0, parts.next()?, parts.next()?).map(Self)
    }

    /// The folder of its hour.
    pub(super) fn folder(&self, tenant: &Tenant, stream: &str) -> Path {
        hour_folder(tenant, stream, self.0.start_ms / HOUR_MS)
    }
}

/// The folder of everything that is stored of a stream.
pub(super) fn stream_folder(tenant: &Tenant, stream: &str) -> Path {
    Path::from_iter([FOLDER, tenant.as_str(), stream])
}

/// The folder of the segments that start in an hour.
pub(super) fn hour_folder(tenant: &Tenant, stream: &str, hour: u64) -> Path {
    stream_folder(tenant, stream).join(format!("{hour:08}"))
}

/// Where an init segment lies.
pub(super) fn init_path(tenant: &Tenant, stream: &str, init: InitName) -> Path {
    stream_folder(tenant, stream).join("init").join(format!("{init}.mp4"))
}

/// Where the rows of a sealed hour lie.
pub(super) fn sealed_path(tenant: &Tenant, stream: &str, hour: u64, name: InitName) -> Path {
    stream_folder(tenant, stream)
        .join("index")
        .join(format!("{hour:08}-{name}.rows"))
}

/// The folder of all recordings.
pub(super) fn all_folder() -> Path {
    Path::from(FOLDER)
}

fn flags(segment: &Segment) -> String {
    let mut flags = String::new();
    flags.extend(segment.new_stretch.then_some(NEW_STRETCH));
    flags.extend((!segment.starts_with_key).then_some(WITHOUT_KEY));
    if flags.is_empty() {
        flags.push(NO_FLAG);
    }
    flags
}

fn read(start_ms: u64, epoch: u32, seq: u32, duration_ms: u32, bytes: u32, init: &str, flags: &str) -> Option<Segment> {
    if start_ms > u64::MAX / 2 || flags.contains(|flag| ![NEW_STRETCH, WITHOUT_KEY, NO_FLAG].contains(&flag)) {
        return None;
    }
    Some(Segment {
        start_ms,
        duration_ms,
        bytes,
        epoch,
        seq,
        init: InitName::parse(init)?,
        new_stretch: flags.contains(NEW_STRETCH),
        starts_with_key: !flags.contains(WITHOUT_KEY),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segment() -> Segment {
        Segment {
            start_ms: 1_700_000_000_123,
            duration_ms: 4_001,
            bytes: 123_456,
            epoch: 7,
            seq: 42,
            init: InitName(0x00ab_cdef),
            new_stretch: true,
            starts_with_key: true,
        }
    }

    #[test]
    fn a_name_says_what_the_index_says() {
        let name = SegmentName(segment());
        assert_eq!(
            name.to_string(),
            "1700000000123-000007-00000042-4001-123456-00abcdef-n.m4s"
        );
        assert_eq!(SegmentName::parse(&name.to_string()), Some(name));
        assert_eq!(name.part(), "1700000000123-000007-00000042-00abcdef-n.part");
        let unfinished = Segment {
            duration_ms: 0,
            bytes: 0,
            ..segment()
        };
        assert_eq!(SegmentName::parse_part(&name.part()), Some(SegmentName(unfinished)));
        let folder = name.folder(&Tenant::default_tenant(), "cam");
        assert_eq!(folder.as_ref(), "recordings/default/cam/00472222");
    }

    #[test]
    fn a_segment_has_one_name_and_nothing_else_is_one() {
        for text in [
            "",
            ".m4s",
            "1700000000123-7-42-4001-123456-00abcdef-n.m4s",
            "1700000000123-000007-00000042-4001-123456-00abcdef-n.part",
            "1700000000123-000007-00000042-4001-123456-00ABCDEF-n.m4s",
            "1700000000123-000007-00000042-4001-123456-00abcdef-n-x.m4s",
            "../../1700000000123-000007-00000042-4001-123456-00abcdef-n.m4s",
            "+700000000123-000007-00000042-4001-123456-00abcdef-n.m4s",
            "1700000000123-000007-00000042-4001-123456-00abcdef-nn.m4s",
        ] {
            assert_eq!(SegmentName::parse(text), None, "{text}");
        }
        assert_eq!(InitName::parse("0badcafe.mp4"), Some(InitName(0x0bad_cafe)));
        for text in ["", "badcafe", "+badcafe", "0BADCAFE", "../badca"] {
            assert_eq!(InitName::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn names_are_read_as_they_were_written(start_ms in 0..u64::MAX / 2, numbers in any::<[u32; 5]>(), new_stretch: bool, starts_with_key: bool) {
            let [duration_ms, bytes, epoch, seq, init] = numbers;
            let name = SegmentName(Segment {
                start_ms, duration_ms, bytes, epoch, seq, init: InitName(init), new_stretch, starts_with_key,
            });
            prop_assert_eq!(SegmentName::parse(&name.to_string()), Some(name));
        }
    }
}
