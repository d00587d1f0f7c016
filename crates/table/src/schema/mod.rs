//! The columns of every table, and rows as Arrow batches. All tables begin with the columns of
//! [`Facts`], so a filter means the same everywhere.

mod captions;
mod column;
mod embeddings;
mod facts;
mod images;
mod vectors;

pub use captions::{CaptionOrigin, CaptionRow, CaptionText, captions_schema};
pub use embeddings::{EmbeddingRow, embeddings_schema};
pub use facts::Facts;
pub use images::{ImageRow, images_schema};
pub use vectors::Space;

pub(crate) use captions::{
    CAPTION_COLUMNS, KEYWORDS_COLUMN, WORDS_COLUMN, captions_batch, read_captions,
};
pub(crate) use column::column;
pub(crate) use embeddings::embeddings_batch;
pub(crate) use facts::{FACTS_COLUMNS, read_facts};
pub(crate) use images::images_batch;
pub(crate) use vectors::{VECTOR_COLUMN, dimension, read_vectors};
