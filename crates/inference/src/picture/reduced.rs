//! Where the pixels of a reduced picture lie in the whole picture.

use super::Picture;
use crate::resize::Area;

/// The factors by which a side may have been divided.
const FACTORS: [u32; 4] = [1, 2, 4, 8];

impl Picture {
    /// The part of `area`, in decoded pixels, that shows the picture.
    ///
    /// A side that is no multiple of the reduction's factor ends in the middle of the last decoded
    /// pixel, and the rest of that pixel is padding. Scaling the padding too would shift the
    /// picture by a fraction of a pixel.
    pub(crate) fn shown(&self, area: Area) -> Area {
        let across = shown_share(self.width, self.rgb.width());
        let down = shown_share(self.height, self.rgb.height());
        Area {
            left: area.left * across,
            top: area.top * down,
            width: area.width * across,
            height: area.height * down,
        }
    }
}

/// The share of a decoded side that shows the picture, 0 to 1.
fn shown_share(whole: u32, decoded: u32) -> f64 {
    let factor = FACTORS.into_iter().find(|factor| whole.div_ceil(*factor) == decoded);
    factor.map_or(1.0, |factor| f64::from(whole) / f64::from(factor) / f64::from(decoded.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pixel_of_a_reduced_side_counts_by_what_it_shows() {
        assert_eq!(shown_share(4000, 1000), 1.0);
        assert_eq!(shown_share(1411, 177), 1411.0 / 8.0 / 177.0);
        assert_eq!(shown_share(7, 7), 1.0);
        assert_eq!(shown_share(1, 1), 1.0);
        assert_eq!(shown_share(100, 33), 1.0, "not one of ours");
    }
}
