//! Columns and rows of `images`.

use std::sync::Arc;

use arrow::array::{BinaryArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::facts::{Facts, facts_columns, facts_fields};

/// A row of `images`.
#[derive(Debug, Clone)]
pub struct ImageRow {
    /// Common columns.
    pub facts: Facts,
    /// Small JPEG.
    pub thumbnail: Vec<u8>,
}

/// Columns of the table `images`.
pub fn images_schema() -> SchemaRef {
    let mut fields = facts_fields();
    fields.push(Field::new("thumbnail", DataType::Binary, false));
    Arc::new(Schema::new(fields))
}

pub(crate) fn images_batch(rows: &[ImageRow], batch_id: &str) -> Result<RecordBatch, ArrowError> {
    let mut columns = facts_columns(rows.iter().map(|row| &row.facts), batch_id);
    columns.push(Arc::new(BinaryArray::from_iter_values(rows.iter().map(|row| &row.thumbnail))));
    RecordBatch::try_new(images_schema(), columns)
}
