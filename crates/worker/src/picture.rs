//! `[picture]`: what one picture may cost.

use inference::PictureLimits;
use pipeline::stage_kind::StageKind;
use serde::Deserialize;
use service::SettingsError;

// Less could not hold one picture of usual size.
const LEAST_IN_FLIGHT: u64 = 1 << 20;

/// `[picture]`: limits of one picture, and the size of its thumbnail where a worker stores one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureSettings {
    /// Most pixels, width times height.
    pub max_pixels: u64,
    /// Longest side in pixels.
    pub max_side: u32,
    /// Memory one decoder may take, in bytes.
    pub max_decoded_bytes: u64,
    /// Memory all decoders and their results may take together, in bytes.
    pub max_decoded_in_flight: u64,
    /// Longest side of the stored thumbnail in pixels, 16 to 2048. A setting of those workers alone
    /// that write the table `images`.
    pub thumbnail_side: Option<u32>,
}

impl PictureSettings {
    /// Checks ranges, for workers of one kind.
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
        let problem = match self.thumbnail_side {
            Some(side) if kind.writes_images() && (16..=2048).contains(&side) => return Ok(()),
            None if !kind.writes_images() => return Ok(()),
            _ if kind.writes_images() => "must be from 16 to 2048",
            _ => "is no setting of this program: it stores no thumbnails",
        };
        Err(SettingsError::value("picture.thumbnail_side", problem))
    }

    /// The limits of decoding one picture of at most `max_bytes` bytes.
    pub fn limits(&self, max_bytes: u64) -> PictureLimits {
        let &Self { max_pixels, max_side, max_decoded_bytes, .. } = self;
        PictureLimits { max_bytes, max_pixels, max_side, max_decoded_bytes }
    }
}
