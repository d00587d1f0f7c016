//! Single columns of a batch.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;

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

/// A text column without nulls.
pub(super) fn text_field(name: &str) -> Field {
    Field::new(name, DataType::Utf8, false)
}

/// The same text in every row.
pub(super) fn repeated(value: &str, rows: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value, rows)))
}
