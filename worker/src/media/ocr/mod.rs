//! `ocr` in the child: pages to areas, areas to pictures for the engine, its words back to pixels of the page.

mod area;
mod blocks;
mod blocky;
pub(crate) mod crop;
mod engine;
mod ground;
mod ink;
mod layout;
mod lines;
mod medians;
mod orientation;
mod page;
mod patches;
mod pieces;
mod places;
mod planes;
mod preprocess;
pub(crate) mod quick;
mod renderings;
mod skew;
mod smooth;
mod strip;
mod words;

pub(crate) use engine::Engine;

use image::GrayImage;
use tokio::time::Instant;
use zoetrope_shared::media::DOCUMENT_TYPES;
use zoetrope_shared::tasks::ocr::{
    Block, OcrFormat, OcrInput, OcrLayout, OcrLevel, OcrOutput, OcrPreprocess, PageSize,
};

use crate::decode::Document;
use crate::fault::Fault;
use crate::serve::{Engines, Progress};

use area::Area;
use planes::Planes;
use words::Words;

pub(crate) use preprocess::grey;

/// Below this mean confidence a page may be turned, and its orientation is looked for: text that stands on its head reads
/// with up to 0.76, as `SADIOAU!` for `invoices`.
const TURNED_BELOW: f32 = 0.82;

/// Reads a document.
pub(crate) fn run(
    engines: &mut Engines,
    input: &OcrInput,
    bytes: Vec<u8>,
    progress: &Progress<'_>,
) -> Result<OcrOutput, Fault> {
    let started = Instant::now();
    engines.ocr.load(&input.languages)?;
    let mut document = Document::open(bytes, DOCUMENT_TYPES)?;
    let page_count = document.page_count();
    let (mut blocks, mut pages, mut orientation) = (Vec::new(), Vec::new(), 0);
    for page in 0..page_count {
        progress.report(percent(page, page_count), &format!("page {} of {page_count}", page + 1));
        let pixels = Planes::of(document.decode(page)?);
        pages.push(PageSize {
            width: pixels.dimensions().0,
            height: pixels.dimensions().1,
        });
        let read = read_page(&engines.ocr, &pixels, input, page)?;
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

fn read_page(engine: &Engine, pixels: &Planes, input: &OcrInput, page: usize) -> Result<PageRead, Fault> {
    if input.regions.is_empty() {
        return read_area(engine, pixels, input, page as u32);
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
        let mut found = read_area(engine, &pixels.map(|channel| area.cut(channel)), input, page as u32)?.blocks;
        blocks::shift(&mut found, area, index as u32);
        blocks.extend(found);
    }
    Ok(PageRead { blocks, orientation: 0 })
}

fn read_area(engine: &Engine, pixels: &Planes, input: &OcrInput, page: u32) -> Result<PageRead, Fault> {
    let picture = match (input.preprocess, input.layout) {
        (OcrPreprocess::None, _) => preprocess::none(&pixels.luma()),
        (OcrPreprocess::Auto, OcrLayout::SingleLine) => preprocess::auto(&pixels.luma()),
        (OcrPreprocess::Auto, layout) => return read_lines(engine, pixels, layout, page),
    };
    let words = engine.read(&picture, input.layout)?;
    let blocks = Words::new(words, picture.scale, pixels.dimensions()).in_blocks(page);
    Ok(PageRead { blocks, orientation: 0 })
}

/// Reads line by line, and turned if that reads better.
fn read_lines(engine: &Engine, pixels: &Planes, layout: OcrLayout, page: u32) -> Result<PageRead, Fault> {
    let upright = page::read(engine, pixels)?;
    // Looking for the turn costs some lines, so only pages that read badly pay for it.
    let turn = if layout == OcrLayout::Auto && upright.certainty < TURNED_BELOW {
        orientation::detect(engine, pixels, upright.certainty)?
    } else {
        None
    };
    let Some(turn) = turn else {
        return Ok(PageRead {
            blocks: layout::blocks(upright.lines, layout, page),
            orientation: 0,
        });
    };
    let lines = page::read(engine, &pixels.map(|channel| turn.upright(channel)))?.lines;
    let mut blocks = layout::blocks(lines, layout, page);
    turn.restore(&mut blocks, pixels.dimensions());
    Ok(PageRead {
        blocks,
        orientation: turn.degrees(),
    })
}

/// Words and their boxes of one image, for `image_analysis`.
pub(crate) fn find_text(engine: &mut Engine, pixels: &GrayImage) -> Result<Vec<Block>, Fault> {
    engine.load(&["eng".to_owned()])?;
    let lines = page::read(engine, &Planes::grey(pixels.clone()))?.lines;
    Ok(layout::blocks(lines, OcrLayout::Auto, 0))
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
