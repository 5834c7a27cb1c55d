//! Media that are made to exhaust or confuse their reader: each fails its own request, says so, and leaves a child
//! that is well and small.

use serde_json::json;

use crate::pixels::{packed_zeros, png, tiff};
use crate::vocabulary::{fixture, ocr, pool, refusal};

/// What a child may hold after refusing all of them, KiB: its code, its libraries, one language.
const MAX_PEAK_KIB: u64 = 300 * 1024;

fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let screen = fixture("screen.png");
    let gif_screen = [
        b"GIF89a\x60\xea\x60\xea\x00\x00\x00".as_slice(),
        b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0\x3b",
    ];
    let gray = image::GrayImage::from_pixel(30, 20, image::Luma([255]));
    let mut looping = tiff(&[gray]);
    let directory: [u8; 4] = looping[4..8].try_into().expect("a link has four bytes");
    let end = looping.len();
    looping[end - 4..].copy_from_slice(&directory);
    // 0.25 MB that unpack to 256 MB.
    let zeros = packed_zeros(16_001 * 16_000);
    let pixels = (b"IDAT", packed_zeros(72));
    let text = (b"zTXt", [b"k\0\0", &zeros[..]].concat());
    let profile = (b"iCCP", [b"p\0\0", &zeros[..]].concat());
    vec![
        ("a png header of 65535x65535", png(65_535, 65_535, &[])),
        ("a png of 2^31 pixels a side", png(0x7fff_ffff, 0x7fff_ffff, &[])),
        ("a png with 256 MB of text", png(8, 8, &[text, pixels.clone()])),
        ("a png with a profile of 256 MB", png(8, 8, &[profile, pixels])),
        ("a png of 16000x16000", png(16_000, 16_000, &[(b"IDAT", zeros)])),
        ("a gif screen of 60000x60000", gif_screen.concat()),
        ("a png of no pixels", png(0, 0, &[])),
        ("a cut off png", screen[..screen.len() / 2].to_vec()),
        ("a png cut off in its header", screen[..20].to_vec()),
        ("a tiff whose pages lead back", looping),
        ("text that is named png", b"hello, I am screen.png\n".to_vec()),
        ("nothing", Vec::new()),
        ("one byte", vec![0xff]),
        ("a video", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom".to_vec()),
        (
            "an svg",
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>".to_vec(),
        ),
        ("zeros", vec![0; 1_000_000]),
        (
            "ones behind a jpeg's first bytes",
            [b"\xff\xd8\xff\xe0".to_vec(), vec![0xff; 100_000]].concat(),
        ),
    ]
}

#[tokio::test]
async fn each_bomb_fails_as_media_invalid_for_good_and_the_same_child_serves_the_next_request() {
    let (pool, metrics) = pool();
    for (name, bytes) in bombs() {
        for kind in ["ocr", "image_analysis"] {
            let answer = crate::vocabulary::work(&pool, kind, bytes.clone(), json!({})).await;
            let (code, retryable, message) = refusal(answer);
            assert_eq!(
                (code.as_str(), retryable),
                ("media_invalid", false),
                "{name}: {message}"
            );
        }
    }
    let output = ocr(&pool, fixture("screen.png"), json!({}))
        .await
        .expect("the child still reads");
    assert!(output["text"].as_str().is_some_and(|text| text.contains("Invoice")));
    assert_eq!(metrics.media_children_started(), 1);
    let peak = peak_kib(pool.idle_pids()[0]);
    assert!(peak < MAX_PEAK_KIB, "the child held {peak} KiB at its peak");
}

#[tokio::test]
async fn an_image_of_as_many_pixels_as_are_allowed_is_analysed() {
    let (pool, _) = pool();
    let large = png(10_000, 5_000, &[(b"IDAT", packed_zeros(10_001 * 5_000))]);
    let input = json!({"features": ["colors", "quality", "hash"]});
    let output = crate::vocabulary::work(&pool, "image_analysis", large, input)
        .await
        .expect("50 megapixels are allowed");
    assert_eq!(output["colors"], json!([{"hex": "#000000", "share": 1.0}]));
}

/// The most memory that the process ever held.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the child is alive");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("linux tells the peak");
    line.trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("the peak is a number")
}
