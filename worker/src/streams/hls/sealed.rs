//! Segments that are sealed with AES-128 in CBC mode, padded as PKCS #7 has it (RFC 8216, 4.3.2.4).

use aws_lc_rs::cipher::{AES_128, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use bytes::{Bytes, BytesMut};

/// Bytes of a key, and of an initialization vector.
pub(super) const KEY_BYTES: usize = 16;
/// What is larger is opened off the threads that wait for sockets: half a megabyte takes less than a millisecond.
const AT_ONCE: usize = 512 * 1_024;

/// Opens a whole segment; nothing if it was not sealed with this key.
pub(super) async fn open(sealed: Bytes, key: [u8; KEY_BYTES], iv: [u8; KEY_BYTES]) -> Option<Bytes> {
    if sealed.len() <= AT_ONCE {
        return opened(sealed, &key, iv);
    }
    tokio::task::spawn_blocking(move || opened(sealed, &key, iv))
        .await
        .ok()?
}

/// The initialization vector of a segment that names none: its number.
pub(super) fn iv_of(number: u64) -> [u8; KEY_BYTES] {
    u128::from(number).to_be_bytes()
}

fn opened(sealed: Bytes, key: &[u8], iv: [u8; KEY_BYTES]) -> Option<Bytes> {
    let mut bytes = BytesMut::from(sealed);
    let key = UnboundCipherKey::new(&AES_128, key)
        .and_then(PaddedBlockDecryptingKey::cbc_pkcs7)
        .ok()?;
    let context = DecryptionContext::Iv128(FixedLength::from(&iv));
    let length = key.decrypt(&mut bytes, context).ok()?.len();
    bytes.truncate(length);
    Some(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::cipher::{EncryptionContext, PaddedBlockEncryptingKey};

    use super::*;

    const KEY: [u8; 16] = *b"0123456789abcdef";

    fn sealed(plain: &[u8], key: [u8; 16], iv: [u8; 16]) -> Bytes {
        let key = UnboundCipherKey::new(&AES_128, &key).and_then(PaddedBlockEncryptingKey::cbc_pkcs7);
        let mut bytes = plain.to_vec();
        let context = EncryptionContext::Iv128(FixedLength::from(&iv));
        let done = key.and_then(|key| key.less_safe_encrypt(&mut bytes, context));
        done.expect("sixteen bytes are a key");
        bytes.into()
    }

    #[tokio::test]
    async fn segments_small_and_large_are_opened_with_their_key_and_with_no_other() {
        for length in [0, 1, 15, 16, 188, AT_ONCE + 1] {
            let plain = vec![7; length];
            let bytes = sealed(&plain, KEY, iv_of(9));
            assert_eq!(
                open(bytes.clone(), KEY, iv_of(9)).await.as_deref(),
                Some(&plain[..]),
                "{length}"
            );
            let other = open(bytes, *b"fedcba9876543210", iv_of(9)).await;
            assert_ne!(other.as_deref(), Some(&plain[..]));
        }
        for broken in [&b""[..], b"no whole block"] {
            assert_eq!(open(Bytes::copy_from_slice(broken), KEY, iv_of(0)).await, None);
        }
    }

    /// Case 1 of RFC 3602, 4; a block of padding follows it.
    #[tokio::test]
    async fn it_is_the_aes_of_everybody_else() {
        let key = 0x06a9_2140_36b8_a15b_512e_03d5_3412_0006_u128.to_be_bytes();
        let iv = 0x3daf_ba42_9d9e_b430_b422_da80_2c9f_ac41_u128.to_be_bytes();
        let bytes = sealed(b"Single block msg", key, iv);
        let expected = 0xe353_779c_1079_aeb8_2708_942d_be77_181a_u128.to_be_bytes();
        assert_eq!((&bytes[..16], bytes.len()), (&expected[..], 32));
        assert_eq!(open(bytes, key, iv).await.as_deref(), Some(&b"Single block msg"[..]));
    }
}
