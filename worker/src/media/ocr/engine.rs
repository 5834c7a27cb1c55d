//! Tesseract behind a face of two verbs: load languages, read a picture. The handle is kept between requests, because
//! starting it costs as much as reading a small picture. Nothing here outlives the picture it was made from: results
//! leave as text in one call, never through the library's iterators, which may dangle.

use std::path::{Path, PathBuf};

use tesseract_rs::{TessPageSegMode, TesseractAPI, TesseractError};
use zoetrope_shared::tasks::ocr::OcrLayout;

use super::preprocess::Picture;
use crate::fault::Fault;

/// Where distributions put the trained data, most usual first.
const DATA_FOLDERS: [&str; 6] = [
    "/usr/share/tesseract-ocr/5/tessdata",
    "/usr/share/tesseract-ocr/4.00/tessdata",
    "/usr/share/tessdata",
    "/usr/share/tesseract/tessdata",
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
];
const DATA_SUFFIX: &str = ".traineddata";
/// Data for orientation and equations: files beside the languages that read no text.
const NOT_LANGUAGES: [&str; 2] = ["osd", "equ"];

/// A word as Tesseract tells it, in pixels of the picture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RawWord {
    /// Block, paragraph and line: words with equal numbers stand in one line.
    pub(crate) line: [u32; 3],
    /// Left, top, width, height.
    pub(crate) bbox: [f32; 4],
    /// 0 to 1.
    pub(crate) confidence: f32,
    pub(crate) text: String,
}

/// One handle, and the languages it was started with.
#[derive(Default)]
pub(crate) struct Engine {
    loaded: Option<(String, TesseractAPI)>,
}

impl Engine {
    /// Makes the handle read these languages; nothing to do if it already does.
    pub(crate) fn load(&mut self, languages: &[String]) -> Result<(), Fault> {
        let wanted = languages.join("+");
        if self.loaded.as_ref().is_some_and(|(loaded, _)| *loaded == wanted) {
            return Ok(());
        }
        let data = data_folder()?;
        let installed = installed_languages(&data);
        if let Some(missing) = languages.iter().find(|language| !installed.contains(language)) {
            return Err(Fault::language_not_available(format!(
                "the language {missing:?} is not installed on this worker (on Debian and Ubuntu: package {}); installed: {}",
                package_of(missing),
                installed.join(", ")
            )));
        }
        // Freed before the next one starts: two sets of models at once would double the memory.
        self.loaded = None;
        self.loaded = Some((wanted.clone(), start(&data, &wanted)?));
        Ok(())
    }

    /// Reads a picture in the loaded languages.
    pub(crate) fn read(&self, picture: &Picture, layout: OcrLayout) -> Result<Vec<RawWord>, Fault> {
        let mode = match layout {
            OcrLayout::Auto => TessPageSegMode::PSM_AUTO,
            OcrLayout::SingleBlock => TessPageSegMode::PSM_SINGLE_BLOCK,
            OcrLayout::SingleLine => TessPageSegMode::PSM_SINGLE_LINE,
            OcrLayout::Sparse => TessPageSegMode::PSM_SPARSE_TEXT,
        };
        self.recognize(picture, mode, "1")
    }

    /// Reads a single line of dark text on light ground.
    pub(crate) fn read_line(&self, picture: &Picture) -> Result<Vec<RawWord>, Fault> {
        self.recognize(picture, TessPageSegMode::PSM_SINGLE_LINE, "0")
    }

    /// `inverted` says whether a line that reads badly is read again as light text on dark ground.
    fn recognize(&self, picture: &Picture, mode: TessPageSegMode, inverted: &str) -> Result<Vec<RawWord>, Fault> {
        let (_, api) = self
            .loaded
            .as_ref()
            .ok_or_else(|| Fault::engine_failed("no language is loaded"))?;
        api.set_variable("tessedit_do_invert", inverted).map_err(failed)?;
        api.set_page_seg_mode(mode).map_err(failed)?;
        set_picture(api, picture)?;
        api.recognize().map_err(failed)?;
        let table = api.get_tsv_text(0).map_err(failed)?;
        api.clear().map_err(failed)?;
        Ok(table.lines().filter_map(word_of_row).collect())
    }

    /// Version and languages, for results.
    pub(crate) fn model(&self) -> String {
        let languages = self.loaded.as_ref().map_or("", |(languages, _)| languages);
        format!("tesseract {} {languages}", TesseractAPI::version())
    }
}

fn start(data: &Path, languages: &str) -> Result<TesseractAPI, Fault> {
    let api = TesseractAPI::new();
    api.init(data, languages).map_err(failed)?;
    // Its complaints about single pictures tell nobody anything.
    api.set_variable("debug_file", "/dev/null").map_err(failed)?;
    Ok(api)
}

fn set_picture(api: &TesseractAPI, picture: &Picture) -> Result<(), Fault> {
    let too_large = |_| Fault::media_invalid("a side of the image is too long for the engine");
    let width = i32::try_from(picture.pixels.width()).map_err(too_large)?;
    let height = i32::try_from(picture.pixels.height()).map_err(too_large)?;
    api.set_image(picture.pixels.as_raw(), width, height, 1, width)
        .map_err(failed)?;
    api.set_source_resolution(picture.dots_per_inch).map_err(failed)
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that map_err wants")]
fn failed(error: TesseractError) -> Fault {
    Fault::engine_failed(format!("tesseract failed: {error}"))
}

/// A row of Tesseract's table: level, page, block, paragraph, line, word, left, top, width, height, confidence, text.
fn word_of_row(row: &str) -> Option<RawWord> {
    const WORD_LEVEL: &str = "5";
    let columns: Vec<&str> = row.splitn(12, '\t').collect();
    let [
        level,
        _page,
        block,
        paragraph,
        line,
        _word,
        left,
        top,
        width,
        height,
        confidence,
        text,
    ] = columns[..]
    else {
        return None;
    };
    let text = text.trim();
    if level != WORD_LEVEL || text.is_empty() {
        return None;
    }
    Some(RawWord {
        line: [block.parse().ok()?, paragraph.parse().ok()?, line.parse().ok()?],
        bbox: [
            left.parse().ok()?,
            top.parse().ok()?,
            width.parse().ok()?,
            height.parse().ok()?,
        ],
        confidence: (confidence.parse::<f32>().ok()? / 100.0).clamp(0.0, 1.0),
        text: text.to_owned(),
    })
}

fn data_folder() -> Result<PathBuf, Fault> {
    let found = DATA_FOLDERS
        .iter()
        .map(Path::new)
        .find(|folder| !installed_languages(folder).is_empty());
    found.map(Path::to_path_buf).ok_or_else(|| {
        Fault::language_not_available(
            "no trained data of Tesseract is installed on this worker (package tesseract-ocr-eng)",
        )
    })
}

/// The Debian package of a language's data: `chi_sim` is in `tesseract-ocr-chi-sim`.
fn package_of(language: &str) -> String {
    format!("tesseract-ocr-{}", language.replace('_', "-"))
}

fn installed_languages(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut languages: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(DATA_SUFFIX)?.to_owned()))
        .filter(|name| !NOT_LANGUAGES.contains(&name.as_str()))
        .collect();
    languages.sort_unstable();
    languages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_of_words_with_text_are_words() {
        let row = "5\t1\t2\t1\t3\t4\t22\t20\t78\t23\t97.5\torder";
        let word = word_of_row(row).expect("the row is a word's");
        assert_eq!(
            (word.line, word.bbox, word.text.as_str()),
            ([2, 1, 3], [22.0, 20.0, 78.0, 23.0], "order")
        );
        assert!((word.confidence - 0.975).abs() < 1e-6);
        for other in [
            "4\t1\t2\t1\t3\t0\t22\t20\t78\t23\t-1\t",
            "5\t1\t2\t1\t3\t4\t22\t20\t78\t23\t95\t ",
            "",
            "5\t1",
        ] {
            assert_eq!(word_of_row(other), None, "{other}");
        }
    }
}
