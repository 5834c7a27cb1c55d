//! `ocr` with the real engine, on a drawn screen.

use image::{DynamicImage, ImageFormat, imageops};
use serde_json::{Value, json};

use crate::pixels::{decoded, encoded, tiff};
use crate::vocabulary::{fixture, ocr, pool, refusal};

fn words(output: &Value) -> Vec<&Value> {
    let list = |value: &'_ Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    assert!(!list(output, "blocks").is_empty(), "no blocks in {output}");
    output["blocks"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|block| block["lines"].as_array().into_iter().flatten())
        .flat_map(|line| line["words"].as_array().into_iter().flatten())
        .collect()
}

/// The box of the word with this text.
fn box_of(output: &Value, text: &str) -> [i64; 4] {
    let word = words(output).into_iter().find(|word| word["text"] == text);
    let word = word.unwrap_or_else(|| panic!("{text:?} is not among the words of {output}"));
    serde_json::from_value(word["bbox"].clone()).expect("a box is four numbers")
}

fn assert_near(found: [i64; 4], expected: [i64; 4]) {
    let near = found.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= 4);
    assert!(near, "found {found:?}, expected about {expected:?}");
}

#[tokio::test]
async fn a_screen_is_read_with_boxes_in_its_own_pixels_whatever_its_theme() {
    let (pool, _) = pool();
    for screen in ["screen.png", "dark.png"] {
        let output = ocr(&pool, fixture(screen), json!({}))
            .await
            .expect("the screen is readable");
        let text = output["text"].as_str().expect("text is a string");
        for phrase in [
            "Choose how invoices are sent to your customers.",
            "Invoice 20417",
            "Overdue since April 2",
            "Save changes",
            "Cancel",
        ] {
            assert!(text.contains(phrase), "{screen}: {phrase:?} is not in {text:?}");
        }
        assert_near(box_of(&output, "Choose"), [16, 67, 46, 11]);
        assert_near(box_of(&output, "20418"), [63, 127, 36, 10]);
        assert!(
            output["confidence"].as_f64().is_some_and(|mean| mean > 0.85),
            "{screen}: {output}"
        );
        assert_eq!(output["pages"], json!([{"width": 640, "height": 230}]));
    }
}

#[tokio::test]
async fn every_image_format_is_read() {
    let (pool, _) = pool();
    let screen = DynamicImage::ImageRgb8(decoded(&fixture("screen.png")).into_rgb8());
    for format in [
        ImageFormat::Jpeg,
        ImageFormat::WebP,
        ImageFormat::Bmp,
        ImageFormat::Gif,
        ImageFormat::Tiff,
    ] {
        let output = ocr(&pool, encoded(&screen, format), json!({}))
            .await
            .expect("the image is readable");
        assert!(
            output["text"]
                .as_str()
                .is_some_and(|text| text.contains("Invoice 20417")),
            "{format:?}: {output}"
        );
    }
}

#[tokio::test]
async fn each_page_of_a_tiff_is_read_and_numbered() {
    let (pool, _) = pool();
    let screen = decoded(&fixture("screen.png")).into_luma8();
    let first = imageops::crop_imm(&screen, 0, 90, 640, 30).to_image();
    let second = imageops::crop_imm(&screen, 0, 120, 640, 26).to_image();
    let output = ocr(&pool, tiff(&[first, second]), json!({}))
        .await
        .expect("the pages are readable");
    assert_eq!(
        (&output["page_count"], &output["pages"][1]["height"]),
        (&json!(2), &json!(26))
    );
    let pages: Vec<&str> = output["text"]
        .as_str()
        .expect("text is a string")
        .split('\u{c}')
        .collect();
    assert!(
        pages.len() == 2 && pages[0].contains("20417") && pages[1].contains("20418"),
        "{pages:?}"
    );
    let blocks = output["blocks"].as_array().expect("blocks is a list");
    assert_eq!(blocks.last().map(|block| block["page"].clone()), Some(json!(1)));
}

#[tokio::test]
async fn regions_limit_what_is_read_and_boxes_stay_in_pixels_of_the_page() {
    let (pool, _) = pool();
    let regions = json!([{"bbox": [0, 92, 260, 30]}, {"bbox": [600, 200, 4000, 4000]}]);
    let output = ocr(&pool, fixture("screen.png"), json!({"regions": regions}))
        .await
        .expect("the screen is readable");
    let text = output["text"].as_str().expect("text is a string");
    assert!(
        text.contains("20417") && !text.contains("20418") && !text.contains("EUR"),
        "{text}"
    );
    assert_near(box_of(&output, "20417"), [63, 102, 36, 10]);
    assert_eq!(output["blocks"][0]["region"], json!(0));
    let outside = ocr(
        &pool,
        fixture("screen.png"),
        json!({"regions": [{"bbox": [640, 0, 5, 5]}]}),
    )
    .await;
    let (code, retryable, message) = refusal(outside);
    assert_eq!((code.as_str(), retryable), ("input_invalid", false));
    assert!(message.contains("regions/0"), "{message}");
}

#[tokio::test]
async fn level_and_formats_shape_the_result() {
    let (pool, _) = pool();
    let input = json!({"level": "line", "formats": ["text", "hocr", "tsv", "alto"]});
    let output = ocr(&pool, fixture("screen.png"), input)
        .await
        .expect("the screen is readable");
    assert_eq!(output["blocks"][0]["lines"][0]["words"], json!([]));
    for format in ["hocr", "tsv", "alto"] {
        assert!(
            output[format].as_str().is_some_and(|text| text.contains("20417")),
            "{format}: {output}"
        );
    }
    let blocks = ocr(&pool, fixture("screen.png"), json!({"level": "block"}))
        .await
        .expect("the screen is readable");
    assert_eq!(blocks["blocks"][0]["lines"], json!([]));
    assert_eq!(blocks.get("hocr"), None);
}

#[tokio::test]
async fn a_language_that_is_not_installed_is_refused_with_the_list_of_those_that_are() {
    let (pool, _) = pool();
    let (code, retryable, message) =
        refusal(ocr(&pool, fixture("screen.png"), json!({"languages": ["eng", "xxq"]})).await);
    assert_eq!((code.as_str(), retryable), ("language_not_available", false));
    assert!(
        message.contains("\"xxq\"") && message.contains("installed: ") && message.contains("eng"),
        "{message}"
    );
}

#[tokio::test]
async fn a_turned_page_is_read_and_its_boxes_are_those_of_the_page_as_sent() {
    let (pool, _) = pool();
    let page = page_of_text();
    for (turned, degrees) in [(page.rotate90(), 90), (page.rotate180(), 180), (page.rotate270(), 270)] {
        let (width, height) = (i64::from(turned.width()), i64::from(turned.height()));
        let output = ocr(&pool, encoded(&turned, ImageFormat::Png), json!({}))
            .await
            .expect("the page is readable");
        assert!(
            output["text"]
                .as_str()
                .is_some_and(|text| text.contains("invoices are sent")),
            "{degrees}: {output}"
        );
        assert_eq!(output["orientation"], json!(degrees));
        let [x, y, word_width, word_height] = box_of(&output, "customers.");
        assert_eq!(
            word_height > word_width,
            degrees != 180,
            "{degrees}: a word of {word_width}x{word_height}"
        );
        assert!(x + word_width <= width && y + word_height <= height);
    }
}

/// The screen's sentences one below the other, several times: orientation is told from many letters.
fn page_of_text() -> DynamicImage {
    let screen = decoded(&fixture("screen.png")).into_luma8();
    let line = imageops::crop_imm(&screen, 0, 60, 320, 25).to_image();
    let mut page = image::GrayImage::from_pixel(320, 400, image::Luma([255]));
    (0..14).for_each(|row| imageops::replace(&mut page, &line, 0, 20 + row * 25));
    DynamicImage::ImageLuma8(page)
}

#[tokio::test]
async fn an_image_without_text_has_none() {
    let (pool, _) = pool();
    let blank = DynamicImage::ImageLuma8(image::GrayImage::from_pixel(200, 100, image::Luma([90])));
    let output = ocr(&pool, encoded(&blank, ImageFormat::Png), json!({}))
        .await
        .expect("the image is sound");
    assert_eq!(
        (&output["text"], &output["blocks"], &output["confidence"]),
        (&json!(""), &json!([]), &json!(0.0))
    );
}
