//! Media that are made to exhaust or confuse their reader: each fails its own request, says so, and leaves a child
//! that is well and small.

use serde_json::json;

use crate::pixels::{packed_zeros, pdf, png, tiff};
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
        ("a gif screen without a frame", b"GIF89a\x40\0\x40\0\0\0\0\x3b".to_vec()),
        ("a jpeg of 65535 scans", jpeg_of_scans(6_000, 65_535)),
        ("a webp of broken code tables", broken_webp()),
        ("a tiff whose strip has four gigabytes", tiff_of_strip(u32::MAX)),
        ("a bmp of packed rows without an end", packed_bmp()),
        (
            "an icon",
            [b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x20\0".as_slice(), &[0xff; 64]].concat(),
        ),
        ("an avif", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf".to_vec()),
        (
            "a page that begins as a jpeg",
            b"\xff\xd8\xff<html><script>alert(1)</script></html>".to_vec(),
        ),
        (
            "a pdf without pages",
            b"%PDF-1.7\n1 0 obj\n<< >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n".to_vec(),
        ),
        ("a pdf that is cut off", pdf(&[(100, 100, None)])[..60].to_vec()),
        ("a pdf of an endless page", pdf(&[(2_000_000, 2_000_000, None)])),
        ("a pdf of 101 pages", pdf(&vec![(10, 10, None); 101])),
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

/// A progressive JPEG with many scans, none of which holds anything.
fn jpeg_of_scans(side: u16, scans: usize) -> Vec<u8> {
    let [high, low] = side.to_be_bytes();
    let mut jpeg = b"\xff\xd8\xff\xdb\0\x43\0".to_vec();
    jpeg.extend([1; 64]);
    jpeg.extend([0xff, 0xc2, 0, 11, 8, high, low, high, low, 1, 1, 0x11, 0]);
    // One code of one bit.
    jpeg.extend([0xff, 0xc4, 0, 20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for _ in 0..scans {
        jpeg.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0, 0]);
    }
    jpeg.extend([0xff, 0xd9]);
    jpeg
}

fn broken_webp() -> Vec<u8> {
    let mut webp = b"RIFF\0\x10\0\0WEBPVP8L\xf4\x0f\0\0\x2f\x3f\xc0\x0f\0".to_vec();
    webp.extend((0..4_080_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8));
    webp
}

/// A TIFF whose only strip claims this many bytes.
fn tiff_of_strip(bytes: u32) -> Vec<u8> {
    let mut tiff = tiff(&[image::GrayImage::from_pixel(30, 20, image::Luma([255]))]);
    // The last of the directory's entries, before the link to the next one.
    let value_at = tiff.len() - 8;
    tiff[value_at..value_at + 4].copy_from_slice(&bytes.to_le_bytes());
    tiff
}

/// A bitmap of packed rows that never says where it ends.
fn packed_bmp() -> Vec<u8> {
    let mut bmp = b"BM\0\0\0\0\0\0\0\0\x36\x04\0\0\x28\0\0\0".to_vec();
    bmp.extend(7_000_u32.to_le_bytes());
    bmp.extend(7_000_u32.to_le_bytes());
    bmp.extend([1, 0, 8, 0, 1, 0, 0, 0]);
    bmp.extend([0; 20]);
    bmp.extend([0; 1_024]);
    bmp.extend([1, 0].repeat(10));
    bmp
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

/// A JPEG with an orientation that does not exist, markup in its description, ten megabytes of a maker's notes, and a page
/// behind its end.
fn noted_jpeg() -> Vec<u8> {
    let image = image::DynamicImage::ImageLuma8(image::GrayImage::from_pixel(30, 20, image::Luma([255])));
    let jpeg = crate::pixels::encoded(&image, image::ImageFormat::Jpeg);
    let segment = |body: &[u8]| {
        let length = u16::try_from(body.len() + 2).expect("a segment is small").to_be_bytes();
        [&[0xff, 0xe1], &length[..], body].concat()
    };
    let mut exif = b"Exif\0\0II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0\0\0\0\0".to_vec();
    exif.extend(b"<img src=x onerror=alert(1)>");
    let notes = segment(&[0x41; 65_000]).repeat(160);
    let page = b"<html><script>alert(1)</script></html>".as_slice();
    [&jpeg[..2], &segment(&exif), &notes, &jpeg[2..], page].concat()
}

/// A GIF of one pixel and this many frames.
fn gif_of_frames(frames: usize) -> Vec<u8> {
    let mut gif = b"GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0".to_vec();
    gif.extend(b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0".repeat(frames));
    gif.push(0x3b);
    gif
}

#[tokio::test]
async fn odd_images_that_are_sound_are_read_and_leave_the_child_well() {
    let (pool, metrics) = pool();
    let odd = [
        ("one pixel", png(1, 1, &[(b"IDAT", packed_zeros(2))]), json!({})),
        ("a jpeg with notes", noted_jpeg(), json!({})),
        ("a gif of 100,000 frames", gif_of_frames(100_000), json!({})),
        (
            "a region of one pixel",
            fixture("screen.png"),
            json!({"regions": [{"bbox": [40, 40, 1, 1]}]}),
        ),
    ];
    for (name, bytes, input) in odd {
        let output = ocr(&pool, bytes, input)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(
            (&output["page_count"], output["text"].as_str()),
            (&json!(1), Some("")),
            "{name}"
        );
    }
    let outside = json!({"regions": [{"bbox": [40_000, 40_000, 10, 10]}]});
    let (code, retryable, _) = refusal(ocr(&pool, fixture("screen.png"), outside).await);
    assert_eq!((code.as_str(), retryable), ("input_invalid", false));
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
