//! Rows as they were read, with their addresses.

use super::ROW_ADDRESS;
use crate::schema::{
    CAPTION_COLUMNS, CaptionText, FACTS_COLUMNS, Facts, VECTOR_COLUMN, column, read_captions,
    read_facts, read_vectors,
};
use arrow::array::{RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array};
use arrow::error::ArrowError;

/// How much of each row is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// Identity and time.
    Identities,
    /// And facts.
    Facts,
    /// And the vector. For tables of vectors.
    Embeddings,
    /// And caption and vector. For tables of captions.
    Captions,
}

const IDENTITY_COLUMNS: [&str; 2] = ["image_id", "written_at"];

impl RowKind {
    pub(super) fn columns(self) -> &'static [&'static str] {
        use std::sync::LazyLock;
        static FACTS: LazyLock<Vec<&str>> =
            LazyLock::new(|| [FACTS_COLUMNS.as_slice(), &["written_at"]].concat());
        static EMBEDDINGS: LazyLock<Vec<&str>> =
            LazyLock::new(|| [FACTS.as_slice(), &[VECTOR_COLUMN]].concat());
        static CAPTIONS: LazyLock<Vec<&str>> =
            LazyLock::new(|| [EMBEDDINGS.as_slice(), &CAPTION_COLUMNS].concat());
        match self {
            Self::Identities => &IDENTITY_COLUMNS,
            Self::Facts => &FACTS,
            Self::Embeddings => &EMBEDDINGS,
            Self::Captions => &CAPTIONS,
        }
    }
}

/// One row, as far as it was read.
#[derive(Debug, Clone)]
pub struct Row {
    /// Where it lies, see [`address`](super::address).
    pub address: u64,
    /// Its picture's identity as a number.
    pub image_id: u128,
    /// When it was written, in microseconds since 1970.
    pub written: i64,
    /// With [`RowKind::Facts`] and more.
    pub facts: Option<Facts>,
    /// With [`RowKind::Embeddings`] and [`RowKind::Captions`].
    pub vector: Option<Vec<f32>>,
    /// With [`RowKind::Captions`].
    pub caption: Option<CaptionText>,
}

/// Some rows of one table.
#[derive(Debug, Clone, Default)]
pub struct RowBatch {
    /// The rows, in the order of their addresses within a fragment.
    pub rows: Vec<Row>,
}

impl RowBatch {
    pub(super) fn of(batch: RecordBatch, kind: RowKind) -> Result<Self, ArrowError> {
        let addresses: &UInt64Array = column(&batch, ROW_ADDRESS)?;
        let ids: &StringArray = column(&batch, "image_id")?;
        let written: &TimestampMicrosecondArray = column(&batch, "written_at")?;
        let has_vectors = matches!(kind, RowKind::Embeddings | RowKind::Captions);
        let count = batch.num_rows();
        let mut facts = some_if(kind != RowKind::Identities, count, || read_facts(&batch))?;
        let mut vectors = some_if(has_vectors, count, || read_vectors(&batch))?;
        let mut captions = some_if(kind == RowKind::Captions, count, || read_captions(&batch))?;
        let mut rows = Vec::with_capacity(count);
        for row in 0..count {
            let id = ids.value(row);
            let image_id = u128::from_str_radix(id, 16).map_err(|error| {
                ArrowError::ParseError(format!("'{id}' is not an image id: {error}"))
            })?;
            rows.push(Row {
                address: addresses.value(row),
                image_id,
                written: written.value(row),
                facts: facts.next().flatten(),
                vector: vectors.next().flatten(),
                caption: captions.next().flatten(),
            });
        }
        Ok(Self { rows })
    }
}

/// What was read, or as many times nothing.
fn some_if<T>(
    wanted: bool,
    count: usize,
    read: impl FnOnce() -> Result<Vec<T>, ArrowError>,
) -> Result<impl Iterator<Item = Option<T>>, ArrowError> {
    let read: Vec<Option<T>> = match wanted {
        true => read()?.into_iter().map(Some).collect(),
        false => (0..count).map(|_| None).collect(),
    };
    Ok(read.into_iter())
}
