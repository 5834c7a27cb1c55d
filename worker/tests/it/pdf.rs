//! `ocr` of PDFs: their pages are drawn and read like any other image.

use image::{GrayImage, imageops};
use serde_json::json;

use crate::pixels::{decoded, pdf};
use crate::vocabulary::{fixture, ocr, pool, refusal, work};

/// A part of the drawn screen, three times as large: as pixels of a page of the same width in points.
fn line_of_screen(top: u32, height: u32) -> GrayImage {
    let screen = decoded(&fixture("screen.png")).into_luma8();
    let line = imageops::crop_imm(&screen, 0, top, 320, height).to_image();
    imageops::resize(&line, 960, height * 3, imageops::FilterType::CatmullRom)
}

#[tokio::test]
async fn each_page_of_a_pdf_is_read_in_its_order_and_its_size_is_told_in_drawn_pixels() {
    let (pool, _) = pool();
    let pages = [
        (320, 30, Some(line_of_screen(90, 30))),
        (320, 26, Some(line_of_screen(120, 26))),
    ];
    let output = ocr(&pool, pdf(&pages), json!({}))
        .await
        .expect("the pages are readable");
    assert_eq!(output["page_count"], json!(2));
    let text = output["text"].as_str().expect("text is a string");
    let pages: Vec<&str> = text.split('\u{c}').collect();
    assert!(
        pages.len() == 2 && pages[0].contains("20417") && pages[1].contains("20418"),
        "{pages:?}"
    );
    // 320 points at 200 pixels an inch.
    let width = output["pages"][0]["width"].as_u64().expect("a page has a width");
    assert!(width.abs_diff(889) <= 1, "{width}");
}

#[tokio::test]
async fn a_page_without_anything_is_read_as_empty() {
    let (pool, _) = pool();
    let output = ocr(&pool, pdf(&[(300, 200, None)]), json!({}))
        .await
        .expect("the page is empty and sound");
    assert_eq!((&output["page_count"], &output["blocks"]), (&json!(1), &json!([])));
}

#[tokio::test]
async fn a_pdf_is_no_image_to_analyse() {
    let (pool, _) = pool();
    let answer = work(&pool, "image_analysis", pdf(&[(300, 300, None)]), json!({})).await;
    let (code, retryable, message) = refusal(answer);
    assert_eq!((code.as_str(), retryable), ("media_invalid", false), "{message}");
}
