//! Pages of a TIFF. The decoder reads the first page only, so a page is decoded by making its directory the first.

use crate::fault::Fault;

/// Most pages of one TIFF.
pub(crate) const MAX_PAGES: usize = 100;

/// Where the first directory's offset stands in the header.
const FIRST_DIRECTORY_AT: usize = 4;
/// Bytes of one entry of a directory.
const ENTRY_BYTES: usize = 12;

/// Offsets of the page directories, in order. Empty for a `BigTIFF`, of which only the first page is read.
pub(crate) fn directories(tiff: &[u8]) -> Result<Vec<u64>, Fault> {
    let Some(order) = ByteOrder::of(tiff) else {
        return Ok(Vec::new());
    };
    let mut found: Vec<u64> = Vec::new();
    let mut next = order.u32_at(tiff, FIRST_DIRECTORY_AT).unwrap_or(0);
    while next != 0 {
        if found.contains(&u64::from(next)) {
            return Err(Fault::media_invalid("the tiff's list of pages leads back to itself"));
        }
        if found.len() == MAX_PAGES {
            return Err(Fault::media_invalid(format!(
                "the tiff has more than {MAX_PAGES} pages"
            )));
        }
        found.push(u64::from(next));
        let entries = order.u16_at(tiff, next as usize).ok_or_else(cut_off)?;
        let link_at = next as usize + 2 + usize::from(entries) * ENTRY_BYTES;
        // Some writers leave the link of the last directory out.
        next = order.u32_at(tiff, link_at).unwrap_or(0);
    }
    if found.is_empty() { Err(cut_off()) } else { Ok(found) }
}

/// Makes the directory at `offset` the first one.
pub(crate) fn make_first(tiff: &mut [u8], offset: u64) {
    let Some(order) = ByteOrder::of(tiff) else { return };
    let offset = u32::try_from(offset).expect("offsets come from `directories`, which reads 32 bits");
    if let Some(link) = tiff.get_mut(FIRST_DIRECTORY_AT..FIRST_DIRECTORY_AT + 4) {
        link.copy_from_slice(&match order {
            ByteOrder::Little => offset.to_le_bytes(),
            ByteOrder::Big => offset.to_be_bytes(),
        });
    }
}

fn cut_off() -> Fault {
    Fault::media_invalid("the tiff's list of pages leads outside the file")
}

#[derive(Clone, Copy)]
enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// `None` for what is no classic TIFF.
    fn of(tiff: &[u8]) -> Option<Self> {
        match tiff.get(..4)? {
            b"II\x2a\0" => Some(Self::Little),
            b"MM\0\x2a" => Some(Self::Big),
            _ => None,
        }
    }

    fn u16_at(self, tiff: &[u8], at: usize) -> Option<u16> {
        let bytes = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        })
    }

    fn u32_at(self, tiff: &[u8], at: usize) -> Option<u32> {
        let bytes = tiff.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header_and(directories: &[(u32, u32)], bytes: usize) -> Vec<u8> {
        let mut tiff = vec![0_u8; bytes];
        tiff[..8].copy_from_slice(b"II\x2a\0\x08\0\0\0");
        for (at, next) in directories {
            // No entries, then the link.
            tiff[*at as usize + 2..*at as usize + 6].copy_from_slice(&next.to_le_bytes());
        }
        tiff
    }

    #[test]
    fn pages_are_listed_in_order_and_any_of_them_can_be_made_the_first() {
        let mut tiff = header_and(&[(8, 30), (30, 20), (20, 0)], 40);
        assert_eq!(directories(&tiff), Ok(vec![8, 30, 20]));
        make_first(&mut tiff, 20);
        assert_eq!(directories(&tiff), Ok(vec![20]));
    }

    #[test]
    fn a_list_that_leads_back_or_outside_is_refused() {
        assert!(directories(&header_and(&[(8, 20), (20, 8)], 40)).is_err());
        assert!(directories(&header_and(&[(8, 400)], 40)).is_err());
        assert!(directories(b"II\x2a\0\0\0\0\0").is_err());
    }

    #[test]
    fn a_list_without_end_is_refused_at_the_limit() {
        let chain: Vec<(u32, u32)> = (0..200).map(|n| (8 + n * 6, 8 + (n + 1) * 6)).collect();
        assert!(directories(&header_and(&chain, 8 + 201 * 6)).is_err());
    }
}
