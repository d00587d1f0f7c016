//! Columns and rows of `embeddings_<model>`.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;

use super::column::{repeated, text_field};
use super::facts::{Facts, facts_columns, facts_fields};
use super::vectors::{Space, vector_column, vector_field};

/// The view of the whole picture. Crops and tiles would be further views of one object version.
const FULL_VIEW: &str = "full";

/// A row of `embeddings_<model>`.
#[derive(Debug, Clone)]
pub struct EmbeddingRow {
    /// Common columns.
    pub facts: Facts,
    /// Unit vector.
    pub vector: Vec<f32>,
}

/// Columns of a table whose vectors have this length.
pub fn embeddings_schema(dim: usize) -> SchemaRef {
    let mut fields = facts_fields();
    fields.extend([text_field("view"), text_field("space"), text_field("manifest_hash")]);
    fields.push(vector_field(dim));
    Arc::new(Schema::new(fields))
}

pub(crate) fn embeddings_batch(
    rows: &[EmbeddingRow],
    space: &Space,
    batch_id: &str,
) -> Result<RecordBatch, ArrowError> {
    let same = |value| repeated(value, rows.len());
    let mut columns = facts_columns(rows.iter().map(|row| &row.facts), batch_id);
    columns.extend([same(FULL_VIEW), same(&space.space), same(&space.manifest_hash)]);
    columns.push(vector_column(
        rows.iter().map(|row| (row.facts.key.as_str(), row.vector.as_slice())),
        space.dim,
    )?);
    RecordBatch::try_new(embeddings_schema(space.dim), columns)
}
