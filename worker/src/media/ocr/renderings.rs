//! The other forms of a result: plain text, hOCR, Tesseract's table, ALTO. Made from our blocks rather than by the
//! engine, so that boxes are pixels of the page whatever was done to the picture.

use std::fmt::Write;

use zoetrope_shared::tasks::ocr::{Block, PageSize};

/// All text in reading order; a form feed ends each page but the last.
pub(super) fn text(blocks: &[Block], page_count: usize) -> String {
    let pages = (0..page_count).map(|page| {
        let on_page = blocks.iter().filter(|block| block.page as usize == page);
        on_page.map(|block| block.text.as_str()).collect::<String>()
    });
    pages.collect::<Vec<_>>().join("\u{c}")
}

/// hOCR 1.2: pages, areas, lines and words with boxes and confidence.
pub(super) fn hocr(blocks: &[Block], pages: &[PageSize]) -> String {
    let mut out = String::from(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title></title>\n\
         <meta name=\"ocr-capabilities\" content=\"ocr_page ocr_carea ocr_line ocrx_word\"></head>\n<body>\n",
    );
    for (number, size) in pages.iter().enumerate() {
        let PageSize { width, height } = size;
        push(
            &mut out,
            format_args!("<div class=\"ocr_page\" title=\"bbox 0 0 {width} {height}; ppageno {number}\">\n"),
        );
        for block in on(blocks, number) {
            push(
                &mut out,
                format_args!("<div class=\"ocr_carea\" title=\"bbox {}\">\n", corners(block.bbox)),
            );
            for line in &block.lines {
                push(
                    &mut out,
                    format_args!("<span class=\"ocr_line\" title=\"bbox {}\">", corners(line.bbox)),
                );
                for word in &line.words {
                    let (bbox, confidence) = (corners(word.bbox), percent(word.confidence));
                    let text = escape(&word.text);
                    push(
                        &mut out,
                        format_args!(
                            "<span class=\"ocrx_word\" title=\"bbox {bbox}; x_wconf {confidence}\">{text}</span> "
                        ),
                    );
                }
                out.push_str("</span>\n");
            }
            out.push_str("</div>\n");
        }
        out.push_str("</div>\n");
    }
    out.push_str("</body></html>\n");
    out
}

/// Tesseract's table of twelve columns.
pub(super) fn tsv(blocks: &[Block], pages: &[PageSize]) -> String {
    let mut out =
        String::from("level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n");
    for (number, size) in pages.iter().enumerate() {
        let page = number + 1;
        push(
            &mut out,
            format_args!("1\t{page}\t0\t0\t0\t0\t0\t0\t{}\t{}\t-1\t\n", size.width, size.height),
        );
        for (b, block) in (1..).zip(on(blocks, number)) {
            push(
                &mut out,
                format_args!("2\t{page}\t{b}\t0\t0\t0\t{}\t-1\t\n", columns(block.bbox)),
            );
            push(
                &mut out,
                format_args!("3\t{page}\t{b}\t1\t0\t0\t{}\t-1\t\n", columns(block.bbox)),
            );
            for (l, line) in (1..).zip(&block.lines) {
                push(
                    &mut out,
                    format_args!("4\t{page}\t{b}\t1\t{l}\t0\t{}\t-1\t\n", columns(line.bbox)),
                );
                for (w, word) in (1..).zip(&line.words) {
                    let (bbox, confidence) = (columns(word.bbox), word.confidence * 100.0);
                    let text = &word.text;
                    push(
                        &mut out,
                        format_args!("5\t{page}\t{b}\t1\t{l}\t{w}\t{bbox}\t{confidence:.2}\t{text}\n"),
                    );
                }
            }
        }
    }
    out
}

/// ALTO 4: the library world's XML.
pub(super) fn alto(blocks: &[Block], pages: &[PageSize]) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<alto xmlns=\"http://www.loc.gov/standards/alto/ns-v4#\">\n\
         <Description><MeasurementUnit>pixel</MeasurementUnit></Description>\n<Layout>\n",
    );
    for (number, size) in pages.iter().enumerate() {
        let (PageSize { width, height }, physical) = (size, number + 1);
        push(
            &mut out,
            format_args!(
                "<Page ID=\"page_{number}\" PHYSICAL_IMG_NR=\"{physical}\" WIDTH=\"{width}\" HEIGHT=\"{height}\">\n\
                 <PrintSpace HPOS=\"0\" VPOS=\"0\" WIDTH=\"{width}\" HEIGHT=\"{height}\">\n"
            ),
        );
        for (b, block) in on(blocks, number).enumerate() {
            push(
                &mut out,
                format_args!("<TextBlock ID=\"block_{number}_{b}\" {}>\n", attributes(block.bbox)),
            );
            for line in &block.lines {
                push(&mut out, format_args!("<TextLine {}>", attributes(line.bbox)));
                let words = line.words.iter().map(|word| {
                    let (text, bbox) = (escape(&word.text), attributes(word.bbox));
                    format!("<String CONTENT=\"{text}\" {bbox} WC=\"{:.2}\"/>", word.confidence)
                });
                out.push_str(&words.collect::<Vec<_>>().join("<SP/>"));
                out.push_str("</TextLine>\n");
            }
            out.push_str("</TextBlock>\n");
        }
        out.push_str("</PrintSpace>\n</Page>\n");
    }
    out.push_str("</Layout>\n</alto>\n");
    out
}

fn on(blocks: &[Block], page: usize) -> impl Iterator<Item = &Block> {
    blocks.iter().filter(move |block| block.page as usize == page)
}

fn push(out: &mut String, line: std::fmt::Arguments<'_>) {
    out.write_fmt(line).expect("a String takes everything");
}

fn corners([x, y, width, height]: [u32; 4]) -> String {
    format!("{x} {y} {} {}", x + width, y + height)
}

fn columns([x, y, width, height]: [u32; 4]) -> String {
    format!("{x}\t{y}\t{width}\t{height}")
}

fn attributes([x, y, width, height]: [u32; 4]) -> String {
    format!("HPOS=\"{x}\" VPOS=\"{y}\" WIDTH=\"{width}\" HEIGHT=\"{height}\"")
}

fn percent(confidence: f32) -> u32 {
    (confidence * 100.0).round() as u32
}

/// What an image says is not ours: its angle brackets stay text, and characters that XML forbids are left out.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            control if control.is_control() => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use zoetrope_shared::tasks::ocr::{Line, Word};

    use super::*;

    fn page_of_one_word(text: &str) -> (Vec<Block>, Vec<PageSize>) {
        let bbox = [10, 20, 30, 8];
        let words = vec![Word {
            text: text.into(),
            bbox,
            confidence: 0.91,
        }];
        let line = Line {
            text: text.into(),
            bbox,
            confidence: 0.91,
            words,
        };
        let lines = vec![line];
        let block = Block {
            text: format!("{text}\n"),
            bbox,
            confidence: 0.91,
            page: 1,
            region: None,
            lines,
        };
        (vec![block], vec![PageSize { width: 100, height: 50 }; 2])
    }

    #[test]
    fn every_rendering_names_the_word_its_box_and_its_page() {
        let (blocks, pages) = page_of_one_word("Save");
        assert_eq!(text(&blocks, 2), "\u{c}Save\n");
        assert!(tsv(&blocks, &pages).ends_with("5\t2\t1\t1\t1\t1\t10\t20\t30\t8\t91.00\tSave\n"));
        assert!(hocr(&blocks, &pages).contains("title=\"bbox 10 20 40 28; x_wconf 91\">Save</span>"));
        let word = "<String CONTENT=\"Save\" HPOS=\"10\" VPOS=\"20\" WIDTH=\"30\" HEIGHT=\"8\" WC=\"0.91\"/>";
        assert!(alto(&blocks, &pages).contains(word));
    }

    #[test]
    fn text_from_an_image_stays_text_in_markup() {
        let (blocks, pages) = page_of_one_word("<img src=x onerror='a(\"1\")'>\u{1}");
        for markup in [hocr(&blocks, &pages), alto(&blocks, &pages)] {
            assert!(!markup.contains("<img") && !markup.contains('\u{1}'), "{markup}");
            assert!(
                markup.contains("&lt;img src=x onerror=&#39;a(&quot;1&quot;)&#39;&gt;"),
                "{markup}"
            );
        }
    }
}
