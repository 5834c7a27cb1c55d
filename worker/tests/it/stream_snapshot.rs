//! A key frame of a stream as a JPEG: its own size and colours, and what is no picture is refused.

use image::{ImageReader, RgbImage};
use serde_json::value::to_raw_value;
use zoetrope_worker::media_pool::{MediaError, MediaPool};
use zoetrope_worker::protocol::Request;
use zoetrope_worker::protocol_streams::{Codec, MAX_PACKET_BYTES, MAX_SNAPSHOT_SIDE, SNAPSHOT, SnapshotInput};

use crate::films::Films;
use crate::vocabulary::pool;

/// How far a level may be from what was drawn: two codecs have rounded it.
const TOLERANCE: u8 = 10;

async fn snapshot(pool: &MediaPool, codec: Codec, max_side: u32, body: Vec<u8>) -> Result<RgbImage, MediaError> {
    let request = Request {
        kind: SNAPSHOT.to_owned(),
        input: to_raw_value(&SnapshotInput { codec, max_side }).expect("an input is JSON"),
    };
    let jpeg = pool.run(&request, body.into(), |_, _| {}).await?;
    assert!(jpeg.starts_with(&[0xff, 0xd8, 0xff]), "a child answers a JPEG");
    let reader = ImageReader::new(std::io::Cursor::new(jpeg)).with_guessed_format();
    let image = reader.expect("memory is readable").decode().expect("the JPEG is sound");
    Ok(image.into_rgb8())
}

/// The first key frame of a film whose left half is red and whose right half is blue.
fn red_and_blue(films: &Films, codec: Codec, size: &str, matrix: &str) -> Vec<u8> {
    let (name, encoder) = match codec {
        Codec::H264 => ("264", "-c:v libx264"),
        Codec::H265 => ("265", "-c:v libx265 -x265-params log-level=error"),
    };
    let path = films.make(
        &format!("red-blue-{name}-{size}.mp4"),
        &format!(
            "-f lavfi -i color=red:s={size}:r=5:d=1 -filter_complex \
             [0:v]format=rgb24,drawbox=x=iw/2:w=iw/2:h=ih:color=blue:t=fill,scale=out_color_matrix={matrix},format=yuv420p[v] \
             -map [v] -colorspace {matrix} -preset veryfast {encoder}"
        ),
    );
    let packets = films.packets(&path, codec);
    let key = packets.into_iter().find(|packet| packet.key);
    key.expect("a film begins with a key frame").bytes
}

fn is_near(image: &RgbImage, x: u32, wanted: [u8; 3]) -> bool {
    let seen = image.get_pixel(x, image.height() / 2).0;
    seen.iter()
        .zip(wanted)
        .all(|(seen, wanted)| seen.abs_diff(wanted) <= TOLERANCE)
}

#[tokio::test]
async fn a_key_frame_becomes_a_picture_in_its_own_colours_and_in_the_size_asked_for() {
    let (films, (pool, _)) = (Films::new(), pool());
    for (codec, size, matrix) in [
        (Codec::H264, (640, 360), "smpte170m"),
        (Codec::H264, (1280, 720), "bt709"),
        (Codec::H265, (640, 360), "smpte170m"),
    ] {
        let key = red_and_blue(&films, codec, &format!("{}x{}", size.0, size.1), matrix);
        for (asked, shown) in [(MAX_SNAPSHOT_SIDE, size), (320, (320, 180))] {
            let image = snapshot(&pool, codec, asked, key.clone())
                .await
                .expect("the picture is sound");
            assert_eq!(image.dimensions(), shown, "{codec:?} {matrix}");
            let (left, right) = (shown.0 / 4, shown.0 * 3 / 4);
            assert!(
                is_near(&image, left, [255, 0, 0]),
                "{codec:?} {matrix}: {:?}",
                image.get_pixel(left, 90)
            );
            assert!(
                is_near(&image, right, [0, 0, 255]),
                "{codec:?} {matrix}: {:?}",
                image.get_pixel(right, 90)
            );
        }
    }
}

#[tokio::test]
async fn what_is_no_key_frame_is_refused_and_the_child_goes_on() {
    let (films, (pool, _)) = (Films::new(), pool());
    let key = red_and_blue(&films, Codec::H264, "640x360", "smpte170m");
    let refused = async |max_side, body| match snapshot(&pool, Codec::H264, max_side, body).await {
        Err(MediaError::Refused {
            code, retryable: false, ..
        }) => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(320, Vec::new()).await, "input_invalid");
    assert_eq!(refused(320, vec![0; MAX_PACKET_BYTES + 1]).await, "input_invalid");
    for max_side in [0, MAX_SNAPSHOT_SIDE + 1] {
        assert_eq!(refused(max_side, key.clone()).await, "input_invalid");
    }
    for garbage in [
        b"no picture".to_vec(),
        [0, 0, 0, 1, 0x65].repeat(1_000),
        key[..20].to_vec(),
    ] {
        assert_eq!(refused(320, garbage).await, "media_invalid");
    }
    assert!(snapshot(&pool, Codec::H264, 320, key).await.is_ok());
}
