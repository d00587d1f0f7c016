//! What can go wrong with vectors.

use std::io;

use crate::vectors::file::Damaged;

/// A set of vectors could not be searched, changed or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VectorError {
    /// A vector could not be read back.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// A vector has the wrong length.
    #[error("vector has {found} dimensions, the others have {wanted}")]
    Dimension {
        /// Of the vectors at hand.
        wanted: usize,
        /// Of the one given.
        found: usize,
    },
    /// A vector's length is not finite.
    #[error("vector of slot {slot} holds numbers that are not finite")]
    NotFinite {
        /// Whose vector it is; 0 for a query.
        slot: u32,
    },
    /// Vectors could not be appended to the file.
    #[error("vector file cannot be written; make room on the disk")]
    Write(#[source] io::Error),
    /// Saved vectors could not be read.
    #[error("saved vectors cannot be read")]
    Read(#[source] io::Error),
    /// Saved vectors are not what was saved.
    #[error("saved vectors are damaged ({0}); delete them, so that they are made anew")]
    Unusable(&'static str),
}
