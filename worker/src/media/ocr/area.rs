//! A part of a page.

use image::GrayImage;

/// A part of a page, inside it and not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) x: u32,
    pub(super) y: u32,
    width: u32,
    height: u32,
}

impl Area {
    /// The part of `[x, y, width, height]` that lies on a page of this size; `None` if no pixel does.
    pub(super) fn clipped(bbox: [u32; 4], (page_width, page_height): (u32, u32)) -> Option<Self> {
        let [x, y, width, height] = bbox;
        let width = x.saturating_add(width).min(page_width).checked_sub(x)?;
        let height = y.saturating_add(height).min(page_height).checked_sub(y)?;
        (width > 0 && height > 0).then_some(Self { x, y, width, height })
    }

    /// Its pixels.
    pub(super) fn cut(self, page: &GrayImage) -> GrayImage {
        image::imageops::crop_imm(page, self.x, self.y, self.width, self.height).to_image()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_is_cut_to_its_page_and_refused_beside_it() {
        assert_eq!(
            Area::clipped([90, 90, 50, 5], (100, 100)),
            Some(Area {
                x: 90,
                y: 90,
                width: 10,
                height: 5
            })
        );
        assert_eq!(Area::clipped([100, 0, 1, 1], (100, 100)), None);
        assert_eq!(Area::clipped([u32::MAX, 0, u32::MAX, 1], (100, 100)), None);
    }
}
