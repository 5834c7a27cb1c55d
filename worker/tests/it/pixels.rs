//! Media made on the spot: sound ones, and ones that lie.

use std::io::{Cursor, Read};

use flate2::Compression;
use flate2::read::ZlibEncoder;
use image::{DynamicImage, ImageFormat};

/// An image in another format.
pub(crate) fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("the image can be encoded");
    bytes.into_inner()
}

pub(crate) fn decoded(png: &[u8]) -> DynamicImage {
    image::load_from_memory(png).expect("the fixture is sound")
}

/// A PNG that claims these dimensions (8 bits grey) and holds `body` between its header and its end.
pub(crate) fn png(width: u32, height: u32, body: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend_from_slice(&width.to_be_bytes());
    header.extend_from_slice(&height.to_be_bytes());
    header.extend_from_slice(&[8, 0, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    push_chunk(&mut png, b"IHDR", &header);
    for (kind, data) in body {
        push_chunk(&mut png, kind, data);
    }
    push_chunk(&mut png, b"IEND", &[]);
    png
}

/// This many zeros, packed: about a thousandth of their size.
pub(crate) fn packed_zeros(bytes: u64) -> Vec<u8> {
    let mut packed = Vec::new();
    ZlibEncoder::new(std::io::repeat(0).take(bytes), Compression::best())
        .read_to_end(&mut packed)
        .expect("memory can be read");
    packed
}

/// A classic TIFF of grey pages without compression.
pub(crate) fn tiff(pages: &[image::GrayImage]) -> Vec<u8> {
    let mut tiff = b"II\x2a\0\0\0\0\0".to_vec();
    let mut link_at = 4;
    for page in pages {
        let strip_at = tiff.len();
        tiff.extend_from_slice(page.as_raw());
        if tiff.len() % 2 == 1 {
            tiff.push(0);
        }
        let directory = u32::try_from(tiff.len()).expect("the pages are small");
        tiff[link_at..link_at + 4].copy_from_slice(&directory.to_le_bytes());
        let strip = (u32::try_from(strip_at).expect("as above"), page.width() * page.height());
        // Width, height, bits, compression, black is zero, strip, samples, rows a strip, bytes a strip.
        let entries = [
            (256_u16, page.width()),
            (257, page.height()),
            (258, 8),
            (259, 1),
            (262, 1),
            (273, strip.0),
            (277, 1),
            (278, page.height()),
            (279, strip.1),
        ];
        tiff.extend_from_slice(&u16::try_from(entries.len()).expect("nine").to_le_bytes());
        for (tag, value) in entries {
            tiff.extend_from_slice(&tag.to_le_bytes());
            tiff.extend_from_slice(&[4, 0, 1, 0, 0, 0]);
            tiff.extend_from_slice(&value.to_le_bytes());
        }
        link_at = tiff.len();
        tiff.extend_from_slice(&[0; 4]);
    }
    tiff
}

/// A PDF of pages of the given width and height in points; each page is one grey image, where there is one.
pub(crate) fn pdf(pages: &[(u32, u32, Option<image::GrayImage>)]) -> Vec<u8> {
    let mut objects: Vec<Vec<u8>> = Vec::new();
    let kids: Vec<String> = (0..pages.len()).map(|page| format!("{} 0 R", 3 + page * 3)).collect();
    objects.push(b"<< /Type /Catalog /Pages 2 0 R >>".to_vec());
    objects.push(format!("<< /Type /Pages /Count {} /Kids [{}] >>", pages.len(), kids.join(" ")).into_bytes());
    for (index, (width, height, image)) in pages.iter().enumerate() {
        let (content, picture) = (4 + index * 3, 5 + index * 3);
        objects.push(
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}] /Contents {content} 0 R \
                 /Resources << /XObject << /I {picture} 0 R >> >> >>"
            )
            .into_bytes(),
        );
        let drawing = format!("q {width} 0 0 {height} 0 0 cm /I Do Q");
        let drawing = if image.is_some() { drawing } else { String::new() };
        objects.push(format!("<< /Length {} >>\nstream\n{drawing}\nendstream", drawing.len()).into_bytes());
        let pixels = image.clone().unwrap_or_else(|| image::GrayImage::new(1, 1));
        let head = format!(
            "<< /Type /XObject /Subtype /Image /Width {} /Height {} /ColorSpace /DeviceGray /BitsPerComponent 8 /Length {} >>",
            pixels.width(),
            pixels.height(),
            pixels.as_raw().len()
        );
        objects.push([head.as_bytes(), b"\nstream\n", pixels.as_raw(), b"\nendstream"].concat());
    }
    let mut pdf = b"%PDF-1.4\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (number, object) in (1..).zip(&objects) {
        table += &format!("{:010} 00000 n \n", pdf.len());
        pdf.extend(format!("{number} 0 obj\n").bytes());
        pdf.extend_from_slice(object);
        pdf.extend_from_slice(b"\nendobj\n");
    }
    let end = pdf.len();
    let size = objects.len() + 1;
    pdf.extend(format!("{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{end}\n%%EOF\n").bytes());
    pdf
}

fn push_chunk(png: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    png.extend_from_slice(&u32::try_from(data.len()).expect("the chunk is small").to_be_bytes());
    png.extend_from_slice(kind);
    png.extend_from_slice(data);
    let mut crc = flate2::Crc::new();
    crc.update(kind);
    crc.update(data);
    png.extend_from_slice(&crc.sum().to_be_bytes());
}
