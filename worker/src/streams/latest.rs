//! The newest key frame of a stream, as it came: decoded only if somebody asks for a picture.

use std::sync::Mutex;

use bytes::Bytes;

use crate::protocol_streams::Codec;

/// What arrived last.
#[derive(Debug, Default)]
pub struct Latest(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    arrived_ms: Option<u64>,
    key: Option<KeyPicture>,
}

/// A picture that decoding can start with.
#[derive(Debug, Clone)]
pub struct KeyPicture {
    /// How it is coded.
    pub codec: Codec,
    /// Annex B, parameter sets before the picture.
    pub data: Bytes,
    /// When it arrived, Unix milliseconds.
    pub arrived_ms: u64,
}

impl Latest {
    /// A picture arrived.
    pub fn seen(&self, codec: Codec, data: &Bytes, is_key: bool, now_ms: u64) {
        let key = is_key.then(|| KeyPicture {
            codec,
            data: data.clone(),
            arrived_ms: now_ms,
        });
        let mut inner = self.0.lock().expect("nothing that holds this lock panics");
        inner.arrived_ms = Some(now_ms);
        if key.is_some() {
            inner.key = key;
        }
    }

    /// When the last picture arrived, Unix milliseconds.
    pub fn arrived_ms(&self) -> Option<u64> {
        self.0.lock().expect("nothing that holds this lock panics").arrived_ms
    }

    /// The newest key frame.
    pub fn key(&self) -> Option<KeyPicture> {
        self.0.lock().expect("nothing that holds this lock panics").key.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_key_frame_stays_while_others_follow_it() {
        let latest = Latest::default();
        assert!(latest.key().is_none() && latest.arrived_ms().is_none());
        latest.seen(Codec::H264, &Bytes::from_static(b"key"), true, 5);
        latest.seen(Codec::H264, &Bytes::from_static(b"more"), false, 9);
        let key = latest.key().expect("there was one");
        assert_eq!((key.data.as_ref(), key.arrived_ms), (&b"key"[..], 5));
        assert_eq!(latest.arrived_ms(), Some(9));
    }
}
