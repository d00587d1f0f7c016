//! The columns that every table begins with.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Float64Array, Int16Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    UInt8Array, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field, TimeUnit};
use arrow::error::ArrowError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::column::{column, repeated, text_field};

/// What is known about one object version without a model: its identity and the columns that a
/// filter can name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Facts {
    /// Identity: 32 lower-case hex digits, see the pipeline's `ImageId`.
    pub image_id: String,
    /// Bucket name.
    pub bucket: String,
    /// Object key.
    pub key: String,
    /// ETag without quotes.
    pub etag: String,
    /// Size of the original.
    pub size_bytes: u64,
    /// Time of the last write, as the store reports it.
    pub last_modified: Option<Timestamp>,
    /// `jpeg`, `png`, `webp`, `gif`, `bmp`, `tiff`, `jxl`.
    pub format: String,
    /// Width in pixels as displayed (after EXIF orientation).
    pub width: u32,
    /// Height in pixels as displayed.
    pub height: u32,
    /// EXIF orientation, 1 to 8.
    pub orientation: u8,
    /// When the picture was taken, from EXIF.
    pub taken_at: Option<Timestamp>,
    /// Minutes the camera's clock was ahead of UTC, if the camera recorded them.
    pub taken_offset_minutes: Option<i16>,
    /// Camera maker and model.
    pub camera: Option<String>,
    /// Latitude in degrees, north positive.
    pub latitude: Option<f64>,
    /// Longitude in degrees, east positive.
    pub longitude: Option<f64>,
    /// BLAKE3 of the bytes as hex. Two objects with the same bytes have the same hash.
    pub content_hash: String,
    /// 64-bit perceptual hash; few differing bits mean a similar picture. Left out of JSON, whose
    /// numbers hold 53 bits.
    #[serde(skip)]
    pub phash: u64,
}

fn time_field(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), nullable)
}

pub(super) fn facts_fields() -> Vec<Field> {
    let number = |name: &str, kind| Field::new(name, kind, false);
    let optional = |name: &str, kind| Field::new(name, kind, true);
    vec![
        text_field("image_id"),
        text_field("bucket"),
        text_field("key"),
        text_field("etag"),
        text_field("batch_id"),
        time_field("written_at", false),
        number("size_bytes", DataType::UInt64),
        time_field("last_modified", true),
        text_field("format"),
        number("width", DataType::UInt32),
        number("height", DataType::UInt32),
        number("orientation", DataType::UInt8),
        time_field("taken_at", true),
        optional("taken_offset_minutes", DataType::Int16),
        optional("camera", DataType::Utf8),
        optional("latitude", DataType::Float64),
        optional("longitude", DataType::Float64),
        text_field("content_hash"),
        number("phash", DataType::UInt64),
    ]
}

/// Names of the common columns that make up [`Facts`].
pub(crate) const FACTS_COLUMNS: [&str; 17] = [
    "image_id",
    "bucket",
    "key",
    "etag",
    "size_bytes",
    "last_modified",
    "format",
    "width",
    "height",
    "orientation",
    "taken_at",
    "taken_offset_minutes",
    "camera",
    "latitude",
    "longitude",
    "content_hash",
    "phash",
];

fn time_column(values: impl Iterator<Item = Option<Timestamp>>) -> ArrayRef {
    let array: TimestampMicrosecondArray =
        values.map(|t| t.map(Timestamp::as_microsecond)).collect();
    Arc::new(array.with_timezone("UTC"))
}

/// The common columns of some rows, written now.
pub(super) fn facts_columns<'a>(
    rows: impl Iterator<Item = &'a Facts> + Clone,
    batch_id: &str,
) -> Vec<ArrayRef> {
    let text = |get: fn(&Facts) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.clone().map(get)))
    };
    let count = rows.clone().count();
    vec![
        text(|f| &f.image_id),
        text(|f| &f.bucket),
        text(|f| &f.key),
        text(|f| &f.etag),
        repeated(batch_id, count),
        time_column(std::iter::repeat_n(Some(Timestamp::now()), count)),
        Arc::new(UInt64Array::from_iter_values(rows.clone().map(|f| f.size_bytes))),
        time_column(rows.clone().map(|f| f.last_modified)),
        text(|f| &f.format),
        Arc::new(UInt32Array::from_iter_values(rows.clone().map(|f| f.width))),
        Arc::new(UInt32Array::from_iter_values(rows.clone().map(|f| f.height))),
        Arc::new(UInt8Array::from_iter_values(rows.clone().map(|f| f.orientation))),
        time_column(rows.clone().map(|f| f.taken_at)),
        Arc::new(rows.clone().map(|f| f.taken_offset_minutes).collect::<Int16Array>()),
        Arc::new(rows.clone().map(|f| f.camera.as_deref()).collect::<StringArray>()),
        Arc::new(rows.clone().map(|f| f.latitude).collect::<Float64Array>()),
        Arc::new(rows.clone().map(|f| f.longitude).collect::<Float64Array>()),
        text(|f| &f.content_hash),
        Arc::new(UInt64Array::from_iter_values(rows.map(|f| f.phash))),
    ]
}

fn time_at(array: &TimestampMicrosecondArray, row: usize) -> Option<Timestamp> {
    if array.is_null(row) { None } else { Timestamp::from_microsecond(array.value(row)).ok() }
}

/// Reads the common columns of every row.
pub(crate) fn read_facts(batch: &RecordBatch) -> Result<Vec<Facts>, ArrowError> {
    let text = |name| column::<StringArray>(batch, name);
    let (ids, buckets, keys, etags) =
        (text("image_id")?, text("bucket")?, text("key")?, text("etag")?);
    let (formats, cameras, hashes) = (text("format")?, text("camera")?, text("content_hash")?);
    let (modified, taken) = (column(batch, "last_modified")?, column(batch, "taken_at")?);
    let (latitudes, longitudes): (&Float64Array, &Float64Array) =
        (column(batch, "latitude")?, column(batch, "longitude")?);
    let (sizes, phashes): (&UInt64Array, &UInt64Array) =
        (column(batch, "size_bytes")?, column(batch, "phash")?);
    let (widths, heights): (&UInt32Array, &UInt32Array) =
        (column(batch, "width")?, column(batch, "height")?);
    let offsets: &Int16Array = column(batch, "taken_offset_minutes")?;
    let orientations: &UInt8Array = column(batch, "orientation")?;
    let degrees = |array: &Float64Array, row| array.is_valid(row).then(|| array.value(row));
    Ok((0..batch.num_rows())
        .map(|row| Facts {
            image_id: ids.value(row).to_owned(),
            bucket: buckets.value(row).to_owned(),
            key: keys.value(row).to_owned(),
            etag: etags.value(row).to_owned(),
            size_bytes: sizes.value(row),
            last_modified: time_at(modified, row),
            format: formats.value(row).to_owned(),
            width: widths.value(row),
            height: heights.value(row),
            orientation: orientations.value(row),
            taken_at: time_at(taken, row),
            taken_offset_minutes: offsets.is_valid(row).then(|| offsets.value(row)),
            camera: cameras.is_valid(row).then(|| cameras.value(row).to_owned()),
            latitude: degrees(latitudes, row),
            longitude: degrees(longitudes, row),
            content_hash: hashes.value(row).to_owned(),
            phash: phashes.value(row),
        })
        .collect())
}
