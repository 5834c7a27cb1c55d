//! What holds of RTMP's readers whatever bytes a server sends: for `crate::fuzz`, which says how they are run.

use bytes::BytesMut;

use super::amf0;
use super::chunks::ChunkReader;
use super::flv::{Tag, VideoReader};
use crate::fuzz::Pieces;

/// Chunks, however they arrive: the first byte says in how large pieces.
pub fn chunks(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else {
        return;
    };
    let (mut reader, mut received) = (ChunkReader::new(), BytesMut::new());
    let mut taken = 0;
    for piece in bytes.chunks(usize::from(*cut).max(1)) {
        received.extend_from_slice(piece);
        loop {
            match reader.next(&mut received) {
                Ok(Some(message)) => taken += message.body.len(),
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
    assert!(taken + received.len() <= bytes.len(), "more came out than went in");
}

/// The values of a command: what is read is written as it was understood.
pub fn amf0(bytes: &[u8]) {
    let Some(values) = amf0::read(bytes) else { return };
    let written = |values: &[amf0::Value]| {
        let mut out = Vec::new();
        values.iter().for_each(|value| amf0::write(&mut out, value));
        out
    };
    let once = written(&values);
    // Texts that are no UTF-8 grow when they are read: then they may be too long for their length.
    if once.len() <= bytes.len() {
        let again = amf0::read(&once).expect("what we write reads");
        assert_eq!(written(&again), once, "a value changes on its way");
    }
}

/// Tags of video, one after the other.
pub fn flv(bytes: &[u8]) {
    let mut reader = VideoReader::default();
    for tag in Pieces::of(bytes) {
        if let Ok(Tag::Picture { data, .. }) = reader.read(tag) {
            assert!(reader.codec().is_some(), "a picture before its parameters");
            assert!(data.is_empty() || data.starts_with(&[0, 0, 0, 1]), "no Annex B");
        }
    }
}
