//! `ocr` in the child: pages to areas, areas to pictures for the engine, its words back to pixels of the page.

mod blocks;
pub(crate) mod crop;
mod engine;
mod ink;
mod orientation;
mod pieces;
mod preprocess;
pub(crate) mod quick;
mod renderings;
mod second_look;
mod words;

pub(crate) use engine::Engine;

use image::GrayImage;
use tokio::time::Instant;
use zoetrope_shared::tasks::ocr::{
    Block, OcrFormat, OcrInput, OcrLayout, OcrLevel, OcrOutput, OcrPreprocess, PageSize,
};

use crate::decode::Document;
use crate::fault::Fault;
use crate::serve::{Engines, Progress};

use words::{Area, Words};

pub(crate) use preprocess::grey;

/// Below this mean confidence a page is probably turned, and its orientation is looked for.
const TURNED_BELOW: f32 = 0.55;

/// Reads a document.
pub(crate) fn run(
    engines: &mut Engines,
    input: &OcrInput,
    bytes: Vec<u8>,
    progress: &Progress<'_>,
) -> Result<OcrOutput, Fault> {
    let started = Instant::now();
    engines.ocr.load(&input.languages)?;
    let mut document = Document::open(bytes)?;
    let page_count = document.page_count();
    let (mut blocks, mut pages, mut orientation) = (Vec::new(), Vec::new(), 0);
    for page in 0..page_count {
        progress.report(percent(page, page_count), &format!("page {} of {page_count}", page + 1));
        let pixels = grey(document.decode(page)?);
        pages.push(PageSize {
            width: pixels.width(),
            height: pixels.height(),
        });
        let read = read_page(&mut engines.ocr, &pixels, input, page)?;
        if page == 0 {
            orientation = read.orientation;
        }
        blocks.extend(read.blocks);
    }
    let asked = |format| input.formats.contains(&format);
    let mut output = OcrOutput {
        text: renderings::text(&blocks, page_count),
        confidence: blocks::mean_confidence(&blocks),
        page_count: page_count as u32,
        orientation,
        hocr: asked(OcrFormat::Hocr).then(|| renderings::hocr(&blocks, &pages)),
        tsv: asked(OcrFormat::Tsv).then(|| renderings::tsv(&blocks, &pages)),
        alto: asked(OcrFormat::Alto).then(|| renderings::alto(&blocks, &pages)),
        pages,
        blocks,
        provider: "tesseract".to_owned(),
        model: engines.ocr.model(),
        duration_ms: 0,
    };
    trim(&mut output.blocks, input.level);
    output.duration_ms = started.elapsed().as_millis() as u64;
    Ok(output)
}

/// What one page gave.
struct PageRead {
    blocks: Vec<Block>,
    orientation: u16,
}

fn read_page(engine: &mut Engine, pixels: &GrayImage, input: &OcrInput, page: usize) -> Result<PageRead, Fault> {
    if input.regions.is_empty() {
        return read_whole_page(engine, pixels, input, page);
    }
    let mut blocks = Vec::new();
    for (index, region) in input.regions.iter().enumerate() {
        let area = Area::clipped(region.bbox, pixels.dimensions()).ok_or_else(|| {
            let (width, height) = pixels.dimensions();
            Fault::input_invalid(format!(
                "regions/{index} lies outside page {} of {width} x {height} pixels",
                page + 1
            ))
        })?;
        let mut found = read_area(engine, &area.cut(pixels), input)?.in_blocks(page as u32);
        blocks::shift(&mut found, area, index as u32);
        blocks.extend(found);
    }
    Ok(PageRead { blocks, orientation: 0 })
}

fn read_whole_page(engine: &mut Engine, pixels: &GrayImage, input: &OcrInput, page: usize) -> Result<PageRead, Fault> {
    let upright = read_area(engine, pixels, input)?;
    let upright_confidence = upright.confidence();
    let blocks = upright.in_blocks(page as u32);
    let mut best = PageRead {
        orientation: orientation::told_by_lines(&blocks),
        blocks,
    };
    let free = input.preprocess == OcrPreprocess::Auto && input.layout == OcrLayout::Auto;
    let may_be_turned = free && !best.blocks.is_empty();
    if !may_be_turned || upright_confidence >= TURNED_BELOW {
        return Ok(best);
    }
    // Detecting the orientation costs a pass and errs on little text, so only pages that read badly pay for it, and
    // it counts only if the turned page reads better.
    let Some(turn) = orientation::detect(engine, pixels)? else {
        return Ok(best);
    };
    let turned = read_area(engine, &turn.upright(pixels), input)?;
    if turned.confidence() > upright_confidence {
        let mut blocks = turned.in_blocks(page as u32);
        turn.restore(&mut blocks, pixels.dimensions());
        best = PageRead {
            blocks,
            orientation: turn.degrees(),
        };
    }
    Ok(best)
}

fn read_area(engine: &Engine, pixels: &GrayImage, input: &OcrInput) -> Result<Words, Fault> {
    let picture = match input.preprocess {
        OcrPreprocess::Auto => preprocess::auto(pixels),
        OcrPreprocess::None => preprocess::none(pixels),
    };
    let mut words = Words::new(engine.read(&picture, input.layout)?, picture.scale, pixels.dimensions());
    if input.preprocess == OcrPreprocess::Auto && input.layout != OcrLayout::SingleLine {
        second_look::add(engine, pixels, &mut words)?;
    }
    Ok(words)
}

/// Words and their boxes of one image, for `image_analysis`.
pub(crate) fn find_text(engine: &mut Engine, pixels: &GrayImage) -> Result<Vec<Block>, Fault> {
    engine.load(&["eng".to_owned()])?;
    let picture = preprocess::auto(pixels);
    let mut words = Words::new(
        engine.read(&picture, OcrLayout::Auto)?,
        picture.scale,
        pixels.dimensions(),
    );
    second_look::add(engine, pixels, &mut words)?;
    Ok(words.in_blocks(0))
}

fn trim(blocks: &mut [Block], level: OcrLevel) {
    for block in blocks {
        match level {
            OcrLevel::Word => {}
            OcrLevel::Line => block.lines.iter_mut().for_each(|line| line.words.clear()),
            OcrLevel::Block => block.lines.clear(),
        }
    }
}

fn percent(done: usize, of: usize) -> u8 {
    u8::try_from(done * 100 / of.max(1)).unwrap_or(100)
}
