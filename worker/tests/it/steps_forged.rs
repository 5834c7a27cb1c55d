//! Recordings that point elsewhere, or whose index stands behind more bytes than a number of 32 bits counts: nothing but
//! the file itself is read, and none of it takes long.

use std::io::{Seek, SeekFrom, Write};

use crate::films::Films;
use crate::steps_damage::{refused, told};
use crate::vocabulary::pool;

/// Bytes of nothing before the index.
const GAP: u64 = 4 << 30;

/// A box of an MP4.
fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = (content.len() as u32 + 8).to_be_bytes();
    [&size, kind.as_slice(), content].concat()
}

/// The boxes in some bytes, as kind and content.
fn boxes(mut bytes: &[u8]) -> Vec<(&[u8; 4], &[u8])> {
    let mut boxes = Vec::new();
    while let Some((size, rest)) = bytes.split_first_chunk() {
        let (kind, _) = rest.split_first_chunk().expect("a box has a kind");
        let size = u32::from_be_bytes(*size) as usize;
        boxes.push((kind, &bytes[8..size]));
        bytes = &bytes[size..];
    }
    boxes
}

/// The bytes with the box at the end of a path replaced by another one.
fn replaced(bytes: &[u8], path: &[&[u8; 4]], by: &[u8]) -> Vec<u8> {
    let parts = boxes(bytes).into_iter().map(|(kind, content)| match path {
        [last] if *last == kind => by.to_vec(),
        [first, rest @ ..] if *first == kind => boxed(kind, &replaced(content, rest, by)),
        _ => boxed(kind, content),
    });
    parts.collect::<Vec<_>>().concat()
}

/// A table of data references with one alias of the Macintosh to an absolute path (its file format has them).
fn alias(path: &str) -> Vec<u8> {
    const UNIX_PATH: u16 = 18;
    let length = path.len() as u16 + path.len() as u16 % 2;
    let mut record = vec![0; 150];
    record.extend(UNIX_PATH.to_be_bytes());
    record.extend(length.to_be_bytes());
    record.extend(path.as_bytes());
    record.resize(154 + usize::from(length), 0);
    record.extend([0xff, 0xff, 0, 0]);
    let entry = boxed(b"alis", &[&[0; 4], record.as_slice()].concat());
    boxed(b"dref", &[&[0, 0, 0, 0, 0, 0, 0, 1], entry.as_slice()].concat())
}

/// An element of Matroska: its id and size, eight bytes long.
fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
    let size = (content.len() as u64 | 1 << 56).to_be_bytes();
    [id, &size, content].concat()
}

fn recording(films: &Films) -> Vec<u8> {
    let film = films.make(
        "sound.mp4",
        "-f lavfi -i color=gray:s=160x120:r=10:d=2 -c:v libx264 -preset ultrafast -pix_fmt yuv420p",
    );
    std::fs::read(film).expect("ffmpeg wrote it")
}

#[tokio::test]
async fn a_recording_whose_pictures_are_in_another_file_has_none() {
    let (films, (pool, metrics)) = (Films::new(), pool());
    let whole = recording(&films);
    // Its own pictures are gone: only who follows the reference would find any.
    let (_, pictures) = boxes(&whole)
        .into_iter()
        .find(|(kind, _)| *kind == b"mdat")
        .expect("pictures");
    let emptied = replaced(&whole, &[b"mdat"], &boxed(b"mdat", &vec![0; pictures.len()]));
    let other = films.path("sound.mp4").display().to_string();
    let way: [&[u8; 4]; 6] = [b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"];
    for target in [other.as_str(), "/etc/passwd"] {
        let forged = films.write("forged.mov", &replaced(&emptied, &way, &alias(target)));
        let name = format!("a reference to {target}");
        assert_eq!(refused(&name, told(&pool, &forged).await), "media_invalid", "{name}");
    }
    assert_eq!(metrics.media_children_started(), 1);
}

#[tokio::test]
async fn a_matroska_file_that_only_links_to_others_has_no_video() {
    let (films, (pool, metrics)) = (Films::new(), pool());
    let uid = element(&[0x6e, 0x67], &[7; 16]);
    // Of the segment: its own name, the next one's and its file.
    let names = [
        element(&[0x73, 0xa4], &[1; 16]),
        element(&[0x3e, 0xb9, 0x23], &[7; 16]),
        element(&[0x3e, 0x83, 0xbb], b"/etc/passwd"),
    ];
    let times = [element(&[0x91], &[0]), element(&[0x92], &[200])].concat();
    let chapter = element(&[0xb6], &[element(&[0x73, 0xc4], &[9]), times, uid].concat());
    let edition = element(&[0x45, 0xb9], &[element(&[0x45, 0xdd], &[1]), chapter].concat());
    let segment = [
        element(&[0x15, 0x49, 0xa9, 0x66], &names.concat()),
        element(&[0x10, 0x43, 0xa7, 0x70], &edition),
    ];
    let header = element(&[0x1a, 0x45, 0xdf, 0xa3], &element(&[0x42, 0x82], b"matroska"));
    let linked = [header, element(&[0x18, 0x53, 0x80, 0x67], &segment.concat())].concat();
    let path = films.write("linked.mkv", &linked);
    assert_eq!(refused("links", told(&pool, &path).await), "media_invalid");
    assert_eq!(metrics.media_children_started(), 1);
}

#[tokio::test]
async fn an_index_behind_four_gigabytes_is_found_and_a_missing_one_is_told() {
    let (films, (pool, metrics)) = (Films::new(), pool());
    let whole = recording(&films);
    let (index, before): (Vec<_>, Vec<_>) = boxes(&whole).into_iter().partition(|(kind, _)| *kind == b"moov");
    let joined = |boxes: &[(&[u8; 4], &[u8])]| {
        let boxes = boxes.iter().map(|(kind, content)| boxed(kind, content));
        boxes.collect::<Vec<_>>().concat()
    };
    // A box whose size is told in 64 bits, because 32 do not hold it.
    let gap = [&1_u32.to_be_bytes(), b"free".as_slice(), &GAP.to_be_bytes()].concat();
    let start = joined(&before);
    for (name, end) in [("far.mp4", joined(&index)), ("cut.mp4", joined(&index)[..200].to_vec())] {
        let path = films.write(name, &[start.as_slice(), &gap].concat());
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .expect("it was written");
        file.seek(SeekFrom::Start(start.len() as u64 + GAP))
            .expect("files have holes");
        file.write_all(&end).expect("there is room for the index");
        let answer = told(&pool, &path).await;
        if name == "far.mp4" {
            assert_eq!(answer.expect("the recording is sound").frames, 20);
        } else {
            assert_eq!(refused(name, answer), "media_invalid");
        }
    }
    assert_eq!(metrics.media_children_started(), 1);
}
