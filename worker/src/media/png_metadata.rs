//! Bounds what a PNG's metadata unpacks to. The decoder never unpacks text and bounds profiles, but a file whose
//! 1 MB of metadata holds 1 GB is made to hurt somebody: it is refused rather than passed on.

use std::io::{self, Read};

use flate2::read::ZlibDecoder;

use crate::fault::Fault;

/// What all compressed metadata of one PNG may unpack to, bytes. The largest colour profiles in use have 4 MB.
const MAX_UNPACKED_BYTES: u64 = 16 * 1024 * 1024;

const SIGNATURE_BYTES: usize = 8;
/// Length, type and checksum around a chunk's data.
const CHUNK_FRAME_BYTES: usize = 12;

/// Refuses a PNG whose metadata unpacks to more than [`MAX_UNPACKED_BYTES`].
pub(crate) fn check(png: &[u8]) -> Result<(), Fault> {
    let mut unpacked = 0;
    let mut rest = png.get(SIGNATURE_BYTES..).unwrap_or_default();
    while let Some((kind, data, following)) = next_chunk(rest) {
        unpacked += unpacked_bytes(packed_part(kind, data), MAX_UNPACKED_BYTES + 1 - unpacked);
        if unpacked > MAX_UNPACKED_BYTES {
            return Err(Fault::media_invalid(format!(
                "the png's metadata unpacks to more than {MAX_UNPACKED_BYTES} bytes"
            )));
        }
        rest = following;
    }
    Ok(())
}

/// Type, data and what follows; `None` at the end and where the file is cut off, which decoding will tell.
fn next_chunk(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let length = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let end = length.checked_add(CHUNK_FRAME_BYTES)?;
    Some((bytes.get(4..8)?, bytes.get(8..8 + length)?, bytes.get(end..)?))
}

/// The zlib stream inside a metadata chunk; empty for every other chunk.
fn packed_part<'a>(kind: &[u8], data: &'a [u8]) -> &'a [u8] {
    // keyword, 0, then per type: method | flag, method, language, 0, translated keyword, 0.
    let after_zero = |data: &'a [u8]| data.iter().position(|byte| *byte == 0).map(|at| &data[at + 1..]);
    let packed = match kind {
        b"zTXt" | b"iCCP" => after_zero(data).and_then(|rest| rest.get(1..)),
        b"iTXt" => match after_zero(data) {
            Some([1, _method, rest @ ..]) => after_zero(rest).and_then(after_zero),
            _ => None,
        },
        _ => None,
    };
    packed.unwrap_or_default()
}

/// Bytes that a zlib stream unpacks to, counted up to `most`. A damaged stream counts as far as it goes.
fn unpacked_bytes(packed: &[u8], most: u64) -> u64 {
    let mut counted = CountBytes(0);
    let _ = io::copy(&mut ZlibDecoder::new(packed).take(most), &mut counted);
    counted.0
}

struct CountBytes(u64);

impl io::Write for CountBytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::read::ZlibEncoder;

    use super::*;

    fn png_with(kind: &[u8; 4], prefix: &[u8], unpacked_bytes: u64) -> Vec<u8> {
        let mut data = prefix.to_vec();
        let zeros = io::repeat(0).take(unpacked_bytes);
        ZlibEncoder::new(zeros, Compression::best())
            .read_to_end(&mut data)
            .expect("memory can be read");
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        png.extend_from_slice(&u32::try_from(data.len()).expect("the chunk is small").to_be_bytes());
        png.extend_from_slice(kind);
        png.extend_from_slice(&data);
        png.extend_from_slice(&[0; 4]);
        png
    }

    #[test]
    fn metadata_that_unpacks_beyond_the_limit_is_refused_in_each_of_its_forms() {
        let over = MAX_UNPACKED_BYTES + 1;
        for (kind, prefix) in [
            (b"zTXt", &b"k\0\0"[..]),
            (b"iCCP", b"p\0\0"),
            (b"iTXt", b"k\0\x01\0en\0k\0"),
        ] {
            assert!(
                check(&png_with(kind, prefix, over)).is_err(),
                "{}",
                String::from_utf8_lossy(kind)
            );
            assert!(
                check(&png_with(kind, prefix, 1000)).is_ok(),
                "{}",
                String::from_utf8_lossy(kind)
            );
        }
    }

    #[test]
    fn several_chunks_share_one_limit_and_a_cut_off_file_is_left_to_the_decoder() {
        let half = png_with(b"zTXt", b"k\0\0", MAX_UNPACKED_BYTES / 2 + 1);
        let twice = [&half[..], &half[SIGNATURE_BYTES..]].concat();
        assert!(check(&half).is_ok());
        assert!(check(&twice).is_err());
        assert!(check(&half[..half.len() / 2]).is_ok());
        assert!(check(b"").is_ok());
    }
}
