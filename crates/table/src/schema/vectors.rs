//! The column `vector`, and the space its vectors belong to.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, FixedSizeListArray, Float32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;

use super::column::column;

/// Name of the column with the vectors.
pub(crate) const VECTOR_COLUMN: &str = "vector";

/// What identifies the vectors of a table. Vectors of different spaces must never be compared.
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

impl Space {
    /// Refuses a query vector of another length.
    pub(crate) fn check_length(&self, vector: &[f32]) -> Result<(), String> {
        let (got, dim) = (vector.len(), self.dim);
        if got == dim {
            Ok(())
        } else {
            Err(format!("the query vector has {got} values, {dim} are expected"))
        }
    }
}

fn item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Float32, true))
}

pub(super) fn vector_field(dim: usize) -> Field {
    Field::new(VECTOR_COLUMN, DataType::FixedSizeList(item(), dim as i32), false)
}

/// Length of a table's vectors; `None` for a table without vectors.
pub(crate) fn dimension(schema: &Schema) -> Option<usize> {
    match schema.field_with_name(VECTOR_COLUMN).map(Field::data_type) {
        Ok(DataType::FixedSizeList(_, dim)) => usize::try_from(*dim).ok(),
        _ => None,
    }
}

/// The column `vector`, from key and vector of every row.
pub(super) fn vector_column<'a>(
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

/// The vector of every row, in the order of the rows.
pub(crate) fn read_vectors(batch: &RecordBatch) -> Result<Vec<Vec<f32>>, ArrowError> {
    let vectors: &FixedSizeListArray = column(batch, VECTOR_COLUMN)?;
    let wrong = || ArrowError::SchemaError("vectors are of another type than f32".to_owned());
    let read = |row| {
        let values = vectors.value(row);
        let values = values.as_any().downcast_ref::<Float32Array>().ok_or_else(wrong)?;
        Ok(values.values().to_vec())
    };
    (0..batch.num_rows()).map(read).collect()
}
