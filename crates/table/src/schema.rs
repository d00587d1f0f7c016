//! Columns, and rows ↔ Arrow batches.
//!
//! Every table begins with the same columns, so that a filter means the same everywhere.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, FixedSizeListArray, Float32Array, Float64Array, Int16Array,
    RecordBatch, StringArray, TimestampMicrosecondArray, UInt8Array, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// What is known about one object version without any model: identity and the columns one can
/// filter on.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
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
    /// Time of the last write as the store said.
    pub last_modified: Option<Timestamp>,
    /// `jpeg`, `png`, `webp`, `gif`, `bmp`, `tiff`, `jxl`.
    pub format: String,
    /// Width in pixels as displayed (after EXIF orientation).
    pub width: u32,
    /// Height in pixels as displayed.
    pub height: u32,
    /// EXIF orientation, 1 to 8.
    pub orientation: u8,
    /// When the picture was taken.
    pub taken_at: Option<Timestamp>,
    /// Minutes the camera's clock was ahead of UTC then, where it wrote them.
    pub taken_offset_minutes: Option<i16>,
    /// Camera maker and model.
    pub camera: Option<String>,
    /// Latitude in degrees, north positive.
    pub latitude: Option<f64>,
    /// Longitude in degrees, east positive.
    pub longitude: Option<f64>,
    /// BLAKE3 of the bytes as hex: the same picture under two keys has the same.
    pub content_hash: String,
    /// 64-bit perceptual hash; few differing bits mean a similar picture. Not written as JSON,
    /// whose numbers are too small.
    #[serde(skip)]
    pub phash: u64,
}

impl AsRef<Facts> for Facts {
    fn as_ref(&self) -> &Facts {
        self
    }
}

/// A row of `images`.
#[derive(Debug, Clone)]
pub struct ImageRow {
    /// Common columns.
    pub facts: Facts,
    /// Small JPEG.
    pub thumbnail: Vec<u8>,
}

/// A row of `embeddings_<model>`.
#[derive(Debug, Clone)]
pub struct EmbeddingRow {
    /// Common columns.
    pub facts: Facts,
    /// Unit vector.
    pub vector: Vec<f32>,
}

/// What identifies the vectors of a table: those of different spaces must never be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// Model id; names the table.
    pub model: String,
    /// Space id from the manifest.
    pub space: String,
    /// Hash of the manifest the vectors were made with.
    pub manifest_hash: String,
    /// Length of the vectors.
    pub dim: usize,
}

/// The whole picture; crops and tiles would be further views of the same object version.
pub(crate) const VIEW_FULL: &str = "full";

fn time(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), nullable)
}

pub(crate) fn facts_fields() -> Vec<Field> {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    vec![
        text("image_id"),
        text("bucket"),
        text("key"),
        text("etag"),
        text("batch_id"),
        time("written_at", false),
        Field::new("size_bytes", DataType::UInt64, false),
        time("last_modified", true),
        text("format"),
        Field::new("width", DataType::UInt32, false),
        Field::new("height", DataType::UInt32, false),
        Field::new("orientation", DataType::UInt8, false),
        time("taken_at", true),
        Field::new("taken_offset_minutes", DataType::Int16, true),
        Field::new("camera", DataType::Utf8, true),
        Field::new("latitude", DataType::Float64, true),
        Field::new("longitude", DataType::Float64, true),
        text("content_hash"),
        Field::new("phash", DataType::UInt64, false),
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

pub(crate) fn images_schema() -> SchemaRef {
    let mut fields = facts_fields();
    fields.push(Field::new("thumbnail", DataType::Binary, false));
    Arc::new(Schema::new(fields))
}

fn item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Float32, true))
}

pub(crate) fn vector_field(dim: usize) -> Field {
    Field::new("vector", DataType::FixedSizeList(item(), dim as i32), false)
}

/// The column `vector`, from key and vector of every row.
pub(crate) fn vector_column<'a>(
    rows: impl Iterator<Item = (&'a str, &'a [f32])> + Clone,
    dim: usize,
) -> Result<ArrayRef, ArrowError> {
    if let Some((key, vector)) = rows
        .clone()
        .find(|(_, vector)| vector.len() != dim || vector.iter().any(|x| !x.is_finite()))
    {
        let problem = format!(
            "the vector of {key} has {} values, {dim} finite ones are expected",
            vector.len()
        );
        return Err(ArrowError::InvalidArgumentError(problem));
    }
    let values =
        Float32Array::from_iter_values(rows.flat_map(|(_, vector)| vector.iter().copied()));
    Ok(Arc::new(FixedSizeListArray::try_new(item(), dim as i32, Arc::new(values), None)?))
}

pub(crate) fn embeddings_schema(dim: usize) -> SchemaRef {
    let mut fields = facts_fields();
    fields.push(Field::new("view", DataType::Utf8, false));
    fields.push(Field::new("space", DataType::Utf8, false));
    fields.push(Field::new("manifest_hash", DataType::Utf8, false));
    fields.push(vector_field(dim));
    Arc::new(Schema::new(fields))
}

fn times(values: impl Iterator<Item = Option<Timestamp>>) -> ArrayRef {
    let array: TimestampMicrosecondArray =
        values.map(|t| t.map(Timestamp::as_microsecond)).collect();
    Arc::new(array.with_timezone("UTC"))
}

pub(crate) fn facts_columns<'a>(
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
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(batch_id, count))),
        times(std::iter::repeat_n(Some(Timestamp::now()), count)),
        Arc::new(UInt64Array::from_iter_values(rows.clone().map(|f| f.size_bytes))),
        times(rows.clone().map(|f| f.last_modified)),
        text(|f| &f.format),
        Arc::new(UInt32Array::from_iter_values(rows.clone().map(|f| f.width))),
        Arc::new(UInt32Array::from_iter_values(rows.clone().map(|f| f.height))),
        Arc::new(UInt8Array::from_iter_values(rows.clone().map(|f| f.orientation))),
        times(rows.clone().map(|f| f.taken_at)),
        Arc::new(rows.clone().map(|f| f.taken_offset_minutes).collect::<Int16Array>()),
        Arc::new(rows.clone().map(|f| f.camera.as_deref()).collect::<StringArray>()),
        Arc::new(rows.clone().map(|f| f.latitude).collect::<Float64Array>()),
        Arc::new(rows.clone().map(|f| f.longitude).collect::<Float64Array>()),
        text(|f| &f.content_hash),
        Arc::new(UInt64Array::from_iter_values(rows.map(|f| f.phash))),
    ]
}

pub(crate) fn images_batch(rows: &[ImageRow], batch_id: &str) -> Result<RecordBatch, ArrowError> {
    let mut columns = facts_columns(rows.iter().map(|row| &row.facts), batch_id);
    columns.push(Arc::new(BinaryArray::from_iter_values(rows.iter().map(|row| &row.thumbnail))));
    RecordBatch::try_new(images_schema(), columns)
}

pub(crate) fn embeddings_batch(
    rows: &[EmbeddingRow],
    space: &Space,
    batch_id: &str,
) -> Result<RecordBatch, ArrowError> {
    let same = |value: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value, rows.len())))
    };
    let mut columns = facts_columns(rows.iter().map(|row| &row.facts), batch_id);
    columns.extend([same(VIEW_FULL), same(&space.space), same(&space.manifest_hash)]);
    columns.push(vector_column(
        rows.iter().map(|row| (row.facts.key.as_str(), row.vector.as_slice())),
        space.dim,
    )?);
    RecordBatch::try_new(embeddings_schema(space.dim), columns)
}

/// One column of a batch, as the type it must have.
pub(crate) fn column<'a, A: Array + 'static>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a A, ArrowError> {
    let column = batch.column_by_name(name).and_then(|array| array.as_any().downcast_ref::<A>());
    column.ok_or_else(|| {
        ArrowError::SchemaError(format!("column {name} is missing or has another type"))
    })
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
