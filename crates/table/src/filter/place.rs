//! Boxes on the map.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A box on the map, in degrees, its edges included. If `west` is greater than `east`, the box
/// crosses the antimeridian.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Greatest latitude.
    #[schema(minimum = -90, maximum = 90)]
    pub north: f64,
    /// Least latitude, at most `north`.
    #[schema(minimum = -90, maximum = 90)]
    pub south: f64,
    /// Longitude of the left edge.
    #[schema(minimum = -180, maximum = 180)]
    pub west: f64,
    /// Longitude of the right edge.
    #[schema(minimum = -180, maximum = 180)]
    pub east: f64,
}

impl Place {
    /// Whether its degrees are those of a box: -90 <= south <= north <= 90, and west and east from
    /// -180 to 180.
    pub fn is_valid(self) -> bool {
        let longitudes = [self.west, self.east];
        (-90.0..=90.0).contains(&self.south)
            && (self.south..=90.0).contains(&self.north)
            && longitudes.iter().all(|degrees| (-180.0..=180.0).contains(degrees))
    }

    /// Whether a point lies in the box.
    pub fn contains(self, latitude: f64, longitude: f64) -> bool {
        let (from, to) = (longitude >= self.west, longitude <= self.east);
        let between = if self.west <= self.east { from && to } else { from || to };
        between && (self.south..=self.north).contains(&latitude)
    }
}
