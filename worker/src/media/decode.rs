//! From bytes to pixels, within limits. What the pixels mean belongs to the callers.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use zoetrope_shared::media::{MAX_PIXELS, MediaType, check_image};

use crate::fault::Fault;
use crate::pdf_pages::Pdf;
use crate::png_metadata;
use crate::tiff_pages;

/// What a decoder may allocate, bytes: 50 megapixels at 16 bits in four channels is 400 MB.
const MAX_DECODER_BYTES: u64 = 512 * 1024 * 1024;

/// An image of one or more pages whose header was read and found decodable.
pub(crate) struct Document {
    bytes: Vec<u8>,
    pub(crate) media_type: MediaType,
    /// Offsets of a TIFF's page directories; empty for all other types.
    tiff_directories: Vec<u64>,
    /// The pages of a PDF.
    pdf: Option<Pdf>,
}

impl Document {
    /// Reads magic bytes, the header and the list of pages of what is of an accepted type. Decodes nothing.
    pub(crate) fn open(bytes: Vec<u8>, accepts: &[MediaType]) -> Result<Self, Fault> {
        if accepts.contains(&MediaType::Pdf) && MediaType::sniff(&bytes) == Some(MediaType::Pdf) {
            return Ok(Self {
                pdf: Some(Pdf::open(&bytes)?),
                bytes,
                media_type: MediaType::Pdf,
                tiff_directories: Vec::new(),
            });
        }
        let header = check_image(&bytes, accepts).map_err(|problem| Fault::media_invalid(problem.to_string()))?;
        let tiff_directories = match header.media_type {
            MediaType::Png => png_metadata::check(&bytes).map(|()| Vec::new())?,
            MediaType::Tiff => tiff_pages::directories(&bytes)?,
            _ => Vec::new(),
        };
        Ok(Self {
            bytes,
            media_type: header.media_type,
            tiff_directories,
            pdf: None,
        })
    }

    /// Pages of a TIFF or a PDF; 1 for everything else.
    pub(crate) fn page_count(&self) -> usize {
        if let Some(pdf) = &self.pdf {
            return pdf.page_count();
        }
        self.tiff_directories.len().max(1)
    }

    /// The pixels of one page: the first frame of an animation.
    pub(crate) fn decode(&mut self, page: usize) -> Result<DynamicImage, Fault> {
        if let Some(pdf) = &self.pdf {
            return pdf.draw(&self.bytes, page);
        }
        if let Some(directory) = self.tiff_directories.get(page) {
            tiff_pages::make_first(&mut self.bytes, *directory);
        }
        let damaged = |error: image::ImageError| {
            Fault::media_invalid(format!(
                "the {} cannot be decoded: {error}",
                self.media_type.extension()
            ))
        };
        let mut reader = ImageReader::with_format(Cursor::new(&self.bytes), format_of(self.media_type)?);
        reader.limits(limits());
        let mut decoder = reader.into_decoder().map_err(damaged)?;
        let (width, height) = decoder.dimensions();
        let pixels = u64::from(width) * u64::from(height);
        if pixels == 0 || pixels > MAX_PIXELS {
            return Err(Fault::media_invalid(format!(
                "page {} has {width} x {height} pixels; 1 to {MAX_PIXELS} pixels are allowed",
                page + 1
            )));
        }
        decoder.set_limits(limits()).map_err(damaged)?;
        DynamicImage::from_decoder(decoder).map_err(damaged)
    }
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    limits
}

fn format_of(media_type: MediaType) -> Result<ImageFormat, Fault> {
    Ok(match media_type {
        MediaType::Png => ImageFormat::Png,
        MediaType::Jpeg => ImageFormat::Jpeg,
        MediaType::Webp => ImageFormat::WebP,
        MediaType::Bmp => ImageFormat::Bmp,
        MediaType::Gif => ImageFormat::Gif,
        MediaType::Tiff => ImageFormat::Tiff,
        other => return Err(Fault::media_invalid(format!("{} is no image", other.content_type()))),
    })
}
