//! Boxes of MP4 files (ISO/IEC 14496-12, 4.2): a size, a type, a content.

/// Appends a box with the content that `fill` appends.
pub fn boxed(out: &mut Vec<u8>, kind: &[u8; 4], fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(kind);
    fill(out);
    let size = u32::try_from(out.len() - start).expect("boxes here are small: parts are bounded");
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
}

/// Appends a box with a version and flags before its content.
pub fn versioned(out: &mut Vec<u8>, kind: &[u8; 4], version: u8, flags: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    boxed(out, kind, |out| {
        out.extend_from_slice(&(u32::from(version) << 24 | flags).to_be_bytes());
        fill(out);
    });
}

/// Appends numbers of four bytes.
pub fn numbers(out: &mut Vec<u8>, numbers: &[u32]) {
    for number in numbers {
        out.extend_from_slice(&number.to_be_bytes());
    }
}
