//! `image_analysis` with the real engines.

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, imageops};
use rxing::{BarcodeFormat, MultiFormatWriter, Writer};
use serde_json::{Value, json};
use zoetrope_worker::media_pool::MediaPool;

use crate::pixels::{decoded, encoded};
use crate::vocabulary::{fixture, pool, work};

async fn analyse(pool: &MediaPool, image: &DynamicImage, features: Value) -> Value {
    let png = encoded(image, ImageFormat::Png);
    work(pool, "image_analysis", png, json!({"features": features}))
        .await
        .expect("the image is sound")
}

/// A code of the library's own writer.
fn code(format: BarcodeFormat, text: &str, width: i32, height: i32) -> RgbImage {
    let matrix = MultiFormatWriter
        .encode(text, &format, width, height)
        .expect("the text fits the format");
    RgbImage::from_fn(matrix.getWidth(), matrix.getHeight(), |x, y| {
        Rgb([if matrix.get(x, y) { 0 } else { 255 }; 3])
    })
}

#[tokio::test]
async fn codes_on_one_poster_are_each_read_where_they_stand() {
    let (pool, _) = pool();
    let mut poster = RgbImage::from_pixel(900, 700, Rgb([255, 255, 255]));
    imageops::replace(
        &mut poster,
        &code(BarcodeFormat::QR_CODE, "https://example.com/pay?id=7", 220, 220),
        60,
        40,
    );
    imageops::replace(
        &mut poster,
        &code(BarcodeFormat::CODE_128, "ZOE-2026-001", 360, 90),
        450,
        560,
    );
    let output = analyse(&pool, &DynamicImage::ImageRgb8(poster), json!(["codes"])).await;
    let codes = output["codes"].as_array().expect("codes were asked for");
    let said: Vec<_> = codes
        .iter()
        .map(|code| (code["format"].as_str(), code["text"].as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (Some("qr_code"), Some("https://example.com/pay?id=7")),
            (Some("code_128"), Some("ZOE-2026-001"))
        ]
    );
    let bbox = |index: usize| serde_json::from_value::<[u32; 4]>(codes[index]["bbox"].clone()).expect("four numbers");
    let inside = |inner: [u32; 4], [x, y, width, height]: [u32; 4]| {
        inner[0] >= x && inner[1] >= y && inner[0] + inner[2] <= x + width && inner[1] + inner[3] <= y + height
    };
    assert!(inside(bbox(0), [60, 40, 220, 220]) && bbox(0)[2] > 120, "{:?}", bbox(0));
    assert!(inside(bbox(1), [450, 560, 360, 90]) && bbox(1)[3] > 60, "{:?}", bbox(1));
}

/// A row of the table in the demonstration's picture once read as a UPC-E code.
#[tokio::test]
async fn a_line_of_text_is_not_a_bar_code() {
    let (pool, _) = pool();
    let shop = include_bytes!("../../../cli/assets/demo.png").to_vec();
    let output = work(&pool, "image_analysis", shop, json!({"features": ["codes"]}))
        .await
        .expect("the image is sound");
    let codes = output["codes"].as_array().expect("codes were asked for");
    let formats: Vec<_> = codes.iter().filter_map(|code| code["format"].as_str()).collect();
    assert_eq!(formats, ["qr_code"]);
}

#[tokio::test]
async fn all_five_features_are_answered_by_default_and_only_those_asked_for_otherwise() {
    let (pool, _) = pool();
    let screen = fixture("screen.png");
    let all = work(&pool, "image_analysis", screen.clone(), json!({}))
        .await
        .expect("the screen is sound");
    for feature in ["colors", "quality", "hash", "codes", "text"] {
        assert!(all.get(feature).is_some(), "{feature} is missing in {all}");
    }
    assert_eq!(
        (&all["width"], &all["content_type"], &all["provider"]),
        (&json!(640), &json!("image/png"), &json!("local"))
    );
    let hexes: Vec<_> = all["colors"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|color| color["hex"].clone())
        .collect();
    assert_eq!(hexes[..2], [json!("#ffffff"), json!("#1e293b")]);
    let lines: Vec<_> = all["text"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|line| line["text"].as_str())
        .collect();
    assert!(
        lines.iter().any(|line| line.contains("Choose how invoices")),
        "{lines:?}"
    );
    let one = work(&pool, "image_analysis", screen, json!({"features": ["hash"]}))
        .await
        .expect("the screen is sound");
    assert!(
        one.get("hash").is_some() && one.get("text").is_none() && one.get("colors").is_none(),
        "{one}"
    );
}

#[tokio::test]
async fn a_copy_in_another_format_and_size_has_nearly_the_same_hashes() {
    let (pool, _) = pool();
    let screen = DynamicImage::ImageRgb8(decoded(&fixture("screen.png")).into_rgb8());
    let copy = screen.resize(320, 115, imageops::FilterType::Triangle);
    let jpeg = encoded(&copy, ImageFormat::Jpeg);
    let original = analyse(&pool, &screen, json!(["hash"])).await;
    let copy = work(&pool, "image_analysis", jpeg, json!({"features": ["hash"]}))
        .await
        .expect("the copy is sound");
    for name in ["average", "difference", "perceptual"] {
        let bits = |output: &Value| {
            let hash = output["hash"][name].as_str().map(|hex| u64::from_str_radix(hex, 16));
            hash.expect("the hash is there").expect("it is hexadecimal")
        };
        let apart = (bits(&original) ^ bits(&copy)).count_ones();
        assert!(apart <= 8, "{name}: {apart} of 64 bits differ");
    }
}
