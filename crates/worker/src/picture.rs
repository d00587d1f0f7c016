//! `[picture]`: the limits of one picture.

use inference::PictureLimits;
use pipeline::stage_kind::StageKind;
use serde::Deserialize;
use service::SettingsError;

// A picture of ordinary size needs this much.
const LEAST_IN_FLIGHT: u64 = 1 << 20;

/// `[picture]`: the limits of one picture, and the size of its thumbnail where a worker stores one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureSettings {
    /// Most pixels, width times height.
    pub max_pixels: u64,
    /// Longest side in pixels.
    pub max_side: u32,
    /// Memory that one decoder may take, in bytes.
    pub max_decoded_bytes: u64,
    /// Memory that all decoders and their results may take together, in bytes; at least 1 MiB.
    pub max_decoded_in_flight: u64,
    /// Longest side of the stored thumbnail in pixels, 16 to 2048. Only workers that write the
    /// table `images` have this setting.
    pub thumbnail_side: Option<u32>,
}

impl PictureSettings {
    /// Checks ranges, and that workers of this kind have each setting.
    ///
    /// # Errors
    /// The first key out of range, or one that this kind does not have.
    pub fn validate(&self, kind: StageKind) -> Result<(), SettingsError> {
        if self.max_decoded_in_flight < LEAST_IN_FLIGHT {
            return Err(SettingsError::value(
                "picture.max_decoded_in_flight",
                "must be at least 1048576 (1 MiB)",
            ));
        }
        let problem = match (kind.writes_images(), self.thumbnail_side) {
            (true, Some(16..=2048)) | (false, None) => return Ok(()),
            (true, _) => "must be from 16 to 2048",
            (false, Some(_)) => "is no setting of this program: it stores no thumbnails",
        };
        Err(SettingsError::value("picture.thumbnail_side", problem))
    }

    /// The limits of decoding an original of at most `max_bytes` bytes.
    pub fn limits(&self, max_bytes: u64) -> PictureLimits {
        let &Self { max_pixels, max_side, max_decoded_bytes, .. } = self;
        PictureLimits {
            max_bytes,
            max_pixels,
            max_side,
            max_decoded_bytes,
            ..PictureLimits::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(
        kind: StageKind,
        thumbnail_side: Option<u32>,
        max_decoded_in_flight: u64,
    ) -> Option<String> {
        let settings = PictureSettings {
            max_pixels: 1,
            max_side: 1,
            max_decoded_bytes: 1,
            max_decoded_in_flight,
            thumbnail_side,
        };
        settings.validate(kind).err().map(|error| error.to_string())
    }

    #[test]
    fn thumbnails_are_a_setting_of_the_kind_that_stores_them() {
        for kind in StageKind::ALL {
            let stores = kind.writes_images();
            for (side, fits) in [(None, !stores), (Some(16), stores), (Some(2048), stores)] {
                let problem = problem(kind, side, LEAST_IN_FLIGHT);
                assert_eq!(problem.is_none(), fits, "{kind:?} {side:?}: {problem:?}");
            }
            for side in [0, 15, 2049] {
                let problem = problem(kind, Some(side), LEAST_IN_FLIGHT).unwrap();
                assert!(problem.contains("picture.thumbnail_side"), "{kind:?} {side}: {problem}");
            }
        }
    }

    #[test]
    fn there_is_memory_for_one_picture() {
        let problem = problem(StageKind::Embed, Some(320), LEAST_IN_FLIGHT - 1).unwrap();
        assert!(problem.contains("picture.max_decoded_in_flight"), "{problem}");
    }
}
