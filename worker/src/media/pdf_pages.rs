//! Pages of a PDF, drawn by poppler's commands. They are children of this process: they run within its limits, get
//! the document down a pipe, never a file or an address, and end with its process group.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use image::{DynamicImage, GrayImage};
use zoetrope_shared::media::MAX_PIXELS;

use crate::fault::Fault;

/// Most pages of one PDF.
const MAX_PAGES: usize = 100;
/// What a page is drawn at, dots an inch; a larger page is drawn smaller so that it keeps within `MAX_PIXELS`.
const DOTS_PER_INCH: f64 = 200.0;
const LEAST_DOTS_PER_INCH: f64 = 10.0;
/// What the lengths of a PDF are counted in, to the inch.
const POINTS_PER_INCH: f64 = 72.0;
/// Most bytes of what a command says about a document.
const MAX_INFO_BYTES: u64 = 256 * 1024;
/// Header of a drawn page: the letters, two numbers and the white between them.
const MAX_HEADER_BYTES: u64 = 64;

/// A PDF whose pages were counted and measured.
pub(crate) struct Pdf {
    /// Width and height of each page, points.
    pages: Vec<(f64, f64)>,
}

impl Pdf {
    /// Counts and measures the pages. Draws nothing.
    pub(crate) fn open(pdf: &[u8]) -> Result<Self, Fault> {
        let last = (MAX_PAGES + 1).to_string();
        let told = ask("pdfinfo", &["-f", "1", "-l", &last, "-"], pdf, MAX_INFO_BYTES)?;
        let told = String::from_utf8_lossy(&told);
        let pages: Vec<(f64, f64)> = told.lines().filter_map(size_of_row).collect();
        if pages.len() > MAX_PAGES {
            return Err(Fault::media_invalid(format!("the pdf has more than {MAX_PAGES} pages")));
        }
        if pages.is_empty() {
            return Err(Fault::media_invalid(
                "the pdf cannot be read: it is damaged, without pages, or needs a password",
            ));
        }
        Ok(Self { pages })
    }

    /// How many there are.
    pub(crate) fn page_count(&self) -> usize {
        self.pages.len()
    }

    /// The grey pixels of one page.
    pub(crate) fn draw(&self, pdf: &[u8], page: usize) -> Result<DynamicImage, Fault> {
        let number = (page + 1).to_string();
        let (width, height) = self.pages.get(page).copied().unwrap_or((0.0, 0.0));
        let dots = dots_per_inch(width, height).ok_or_else(|| {
            Fault::media_invalid(format!("page {number} of the pdf measures {width} x {height} points"))
        })?;
        let arguments = ["-gray", "-r", &dots.to_string(), "-f", &number, "-l", &number, "-"];
        let drawn = ask("pdftoppm", &arguments, pdf, MAX_PIXELS + MAX_HEADER_BYTES)?;
        let grey = grey_map(&drawn);
        let grey = grey.ok_or_else(|| Fault::media_invalid(format!("page {number} of the pdf cannot be drawn")))?;
        Ok(DynamicImage::ImageLuma8(grey))
    }
}

/// `None` for a page of no size, or of so much that nothing on it could be read.
fn dots_per_inch(width: f64, height: f64) -> Option<f64> {
    let square_inches = width / POINTS_PER_INCH * (height / POINTS_PER_INCH);
    // A hundredth less: pixels at the edge are rounded up.
    let most = (MAX_PIXELS as f64 * 0.99 / square_inches).sqrt();
    let dots = most.min(DOTS_PER_INCH).floor();
    (square_inches > 0.0 && dots >= LEAST_DOTS_PER_INCH).then_some(dots)
}

/// A portable grey map: `P5`, width, height and the highest level, one white byte after each, then the pixels.
fn grey_map(bytes: &[u8]) -> Option<GrayImage> {
    let mut parts = bytes.splitn(5, u8::is_ascii_whitespace);
    let mut word = || std::str::from_utf8(parts.next()?).ok();
    let (magic, width, height, highest) = (word()?, word()?.parse().ok()?, word()?.parse().ok()?, word()?);
    let pixels = parts.next()?;
    let sound = magic == "P5" && highest == "255" && width > 0 && height > 0;
    sound.then(|| GrayImage::from_raw(width, height, pixels.to_vec()))?
}

/// `Page    1 size:  595 x 842 pts (A4)`; turned pages tell their turn in another row, and their size as drawn.
fn size_of_row(row: &str) -> Option<(f64, f64)> {
    let mut words = row.split_whitespace();
    if words.next()? != "Page" || words.nth(1)? != "size:" {
        return None;
    }
    let width = words.next()?.parse().ok()?;
    let height = words.nth(1)?.parse().ok()?;
    Some((width, height))
}

/// What a command answers to a document on its standard input; empty if it fails.
fn ask(program: &str, arguments: &[&str], pdf: &[u8], most: u64) -> Result<Vec<u8>, Fault> {
    let started = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut process = started.map_err(|error| {
        Fault::not_installed(format!(
            "a pdf cannot be read on this worker: {program} does not start ({error}); on Debian and Ubuntu it is in the \
             package poppler-utils"
        ))
    })?;
    let mut answer = Vec::new();
    let (stdin, stdout) = (process.stdin.take(), process.stdout.take());
    let read = std::thread::scope(|threads| {
        // A command that stops reading in the middle has seen enough.
        threads.spawn(move || stdin.map(|mut stdin| stdin.write_all(pdf)));
        stdout.map_or(Ok(0), |stdout| stdout.take(most).read_to_end(&mut answer))
    });
    // One that has more to say than it may is ended here, not waited for.
    let _ = process.kill();
    let ended = process.wait();
    let failed = |error: std::io::Error| Fault::engine_failed(format!("{program} was lost: {error}"));
    read.map_err(failed)?;
    ended.map_err(failed)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_of_sizes_tell_a_size() {
        assert_eq!(
            size_of_row("Page    1 size:  595.276 x 841.89 pts (A4)"),
            Some((595.276, 841.89))
        );
        for row in ["Page    1 rot:   90", "Pages:           3", "Page size: 1 x 2 pts", ""] {
            assert_eq!(size_of_row(row), None, "{row}");
        }
    }

    #[test]
    fn a_grey_map_that_is_cut_off_is_none() {
        let map = b"P5\n2 1\n255\n\x0a ".as_slice();
        assert_eq!(grey_map(map).map(GrayImage::into_raw), Some(vec![10, 32]));
        for damaged in [&map[..map.len() - 1], b"P6\n2 1\n255\nab", b"P5\n0 0\n255\n", b""] {
            assert_eq!(grey_map(damaged), None);
        }
    }

    #[test]
    fn a_large_page_is_drawn_smaller_and_an_empty_or_endless_one_not_at_all() {
        assert_eq!(dots_per_inch(595.0, 842.0), Some(200.0));
        let poster = dots_per_inch(14_400.0, 14_400.0).expect("it can be drawn");
        assert!((200.0 * poster).powi(2) <= MAX_PIXELS as f64, "{poster}");
        assert_eq!(dots_per_inch(0.0, 842.0), None);
        assert_eq!(dots_per_inch(1e9, 1e9), None);
    }
}
