//! Words of keys and captions: which pictures hold them.
//!
//! A [`WordIndex`] knows which documents hold which terms. It is immutable; adding documents makes
//! another one that shares most of the memory. [`matching()`] asks two of them, that of keys and
//! that of captions, for the best pictures.
//!
//! An index is a list of segments (`segment`), each with the documents of an ascending range of
//! numbers. A segment is a dictionary (of the crate `fst`) and the places of each term
//! (`postings`). Small segments are merged as they come, large ones in the background (`merge`).

mod build;
mod index;
mod marks;
mod matching;
mod merge;
mod numbers;
mod postings;
mod score;
mod segment;
mod shares;
mod source;
mod stored;

pub use index::WordIndex;
pub use matching::{matches_of, matching};
pub use score::{AskedTerm, ORDINARY_LENGTH, WordMatch, match_of, rarity};
pub use source::{Numbering, TextSource};
pub use stored::DamagedWords;

#[cfg(test)]
mod tests;
