//! The columns of every table, and rows as Arrow batches. All tables begin with the columns of
//! [`Facts`], so a filter means the same everywhere.

mod captions;
mod column;
mod embeddings;
mod facts;
mod images;
mod vectors;

pub use captions::{CaptionOrigin, CaptionRow, CaptionText};
pub use embeddings::EmbeddingRow;
pub use facts::Facts;
pub use images::ImageRow;
pub use vectors::Space;

pub(crate) use captions::{
    CAPTION_COLUMNS, WORDS_COLUMN, captions_batch, captions_schema, read_captions,
};
pub(crate) use column::column;
pub(crate) use embeddings::{embeddings_batch, embeddings_schema};
pub(crate) use facts::{FACTS_COLUMNS, read_facts};
pub(crate) use images::{images_batch, images_schema};
pub(crate) use vectors::{VECTOR_COLUMN, dimension, read_vectors};
