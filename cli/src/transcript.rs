//! The text of an image for people: lines for a terminal, or one page that needs nothing beside itself.

use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use zoetrope_shared::media::MediaType;
use zoetrope_shared::tasks::ocr::{OcrOutput, PageSize, Word};

use crate::plain::{escaped, plain};

/// What browsers show by themselves. Pages of the others are drawn from their words.
const SHOWN: [MediaType; 5] = [
    MediaType::Png,
    MediaType::Jpeg,
    MediaType::Webp,
    MediaType::Bmp,
    MediaType::Gif,
];
/// Confidence from which a word is taken as right, and below which it is doubted.
const SURE: f32 = 0.8;
const DOUBTED: f32 = 0.5;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:80rem;margin:2rem auto;padding:0 1rem;color:#1c1c1e}\
                     h1{font-size:1.5rem}p{color:#555}figure{position:relative;margin:2rem 0;border:1px solid #ccc}\
                     figure img,figure svg{display:block;width:100%}figure img+svg{position:absolute;inset:0;height:100%}\
                     rect{fill:transparent;stroke-width:1.5;vector-effect:non-scaling-stroke}.sure{stroke:#1a7f37}\
                     .fair{stroke:#b87400}.doubted{stroke:#cf222e}pre{white-space:pre-wrap}";

/// The text as it was read, its pages apart, and how certain it is.
pub(crate) fn text(read: &OcrOutput) -> String {
    if read.text.trim().is_empty() {
        return "No text was found.".to_owned();
    }
    let mut text = String::new();
    for (number, page) in (1..).zip(read.text.split('\u{c}')) {
        if read.page_count > 1 {
            let _ = writeln!(text, "--- page {number} of {} ---", read.page_count);
        }
        let _ = writeln!(text, "{}", plain(page.trim_end()));
    }
    let _ = write!(text, "\n{}", summary(read));
    text
}

/// A page with the image in it, each word in a box that says what was read there.
pub(crate) fn html(title: &str, read: &OcrOutput, image: &[u8]) -> String {
    let title = escaped(title);
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style>\n<h1>{title}</h1>\n<p>{}</p>\n",
        summary(read)
    );
    let shown = MediaType::sniff(image).filter(|kind| SHOWN.contains(kind));
    for (index, size) in (0..).zip(&read.pages) {
        page.push_str("<figure>");
        if let Some(kind) = shown {
            let data = BASE64_STANDARD.encode(image);
            let _ = write!(
                page,
                "<img alt=\"\" src=\"data:{};base64,{data}\">",
                kind.content_type()
            );
        }
        page.push_str(&boxes(read, index, size, shown.is_none()));
        page.push_str("</figure>\n");
    }
    let _ = writeln!(page, "<pre>{}</pre>\n</html>", escaped(plain(&read.text).trim_end()));
    page
}

/// The words of one page as boxes in its own pixels; with their letters where there is no picture below them.
fn boxes(read: &OcrOutput, page: u32, size: &PageSize, lettered: bool) -> String {
    let mut drawn = format!("<svg viewBox=\"0 0 {} {}\">", size.width, size.height);
    let blocks = read.blocks.iter().filter(|block| block.page == page);
    for word in blocks.flat_map(|block| &block.lines).flat_map(|line| &line.words) {
        let [x, y, width, height] = word.bbox;
        let text = escaped(&plain(&word.text));
        let _ = write!(
            drawn,
            "<rect class={} x={x} y={y} width={width} height={height}><title>{text} ({:.0} %)</title></rect>",
            class(word),
            word.confidence * 100.0
        );
        if lettered {
            let (foot, size) = (y + height * 4 / 5, height * 4 / 5);
            let _ = write!(
                drawn,
                "<text x={x} y={foot} font-size={size} textLength={width} lengthAdjust=spacingAndGlyphs>{text}</text>"
            );
        }
    }
    drawn + "</svg>"
}

fn class(word: &Word) -> &'static str {
    match word.confidence {
        SURE.. => "sure",
        DOUBTED.. => "fair",
        _ => "doubted",
    }
}

fn summary(read: &OcrOutput) -> String {
    let words = read
        .blocks
        .iter()
        .flat_map(|block| &block.lines)
        .map(|line| line.words.len());
    let turned = match read.orientation {
        0 => String::new(),
        degrees => format!(", turned by {degrees} degrees"),
    };
    format!(
        "{} words, {:.0} % certain{turned}",
        words.sum::<usize>(),
        read.confidence * 100.0
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(text: &str, pages: usize, words: &[(&str, f64)]) -> OcrOutput {
        let words: Vec<Value> = words
            .iter()
            .map(|(text, confidence)| json!({"text": text, "bbox": [10, 20, 30, 10], "confidence": confidence}))
            .collect();
        let line = json!({"text": text, "bbox": [10, 20, 30, 10], "confidence": 0.9, "words": words});
        let block =
            json!({"text": text, "bbox": [10, 20, 30, 10], "confidence": 0.9, "page": pages - 1, "lines": [line]});
        serde_json::from_value(json!({
            "text": text, "confidence": 0.9, "blocks": [block], "page_count": pages,
            "pages": vec![json!({"width": 200, "height": 100}); pages], "orientation": 0, "provider": "tesseract",
            "model": "m", "duration_ms": 1,
        }))
        .expect("a result")
    }

    #[test]
    fn pages_are_told_apart_and_terminal_commands_are_not_obeyed() {
        let told = text(&read("one\x1b[2J\n\u{c}two\n", 2, &[("one", 0.9), ("two", 0.7)]));
        assert_eq!(
            told,
            "--- page 1 of 2 ---\none\n--- page 2 of 2 ---\ntwo\n\n2 words, 90 % certain"
        );
        assert_eq!(text(&read("\n", 1, &[])), "No text was found.");
    }

    #[test]
    fn the_page_holds_the_image_and_a_box_for_each_word_and_what_was_read_is_no_markup() {
        let found = read("<b>x</b>", 1, &[("<b>x</b>", 0.95), ("two", 0.2)]);
        let page = html("a & b", &found, b"\x89PNG\r\n\x1a\n0000");
        assert!(
            page.contains("<title>a &amp; b</title>") && !page.contains("<b>"),
            "{page}"
        );
        assert!(
            page.contains("src=\"data:image/png;base64,iVBORw0KGgowMDAw\""),
            "{page}"
        );
        assert!(page.contains("<rect class=sure x=10 y=20 width=30 height=10><title>&lt;b&gt;x&lt;/b&gt; (95 %)"));
        assert_eq!(
            (page.matches("class=doubted").count(), page.matches("<text").count()),
            (1, 0)
        );
    }

    #[test]
    fn pages_that_no_browser_shows_are_drawn_from_their_words() {
        let page = html("a", &read("two", 2, &[("two", 0.6)]), b"%PDF-1.7\n");
        assert_eq!((page.matches("<figure>").count(), page.matches("<img").count()), (2, 0));
        assert!(page.contains(">two</text></svg></figure>"), "{page}");
    }
}
