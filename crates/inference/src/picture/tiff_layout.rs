//! TIFF files whose layout the decoder does not know.

use std::io::Cursor;

use tiff::decoder::{ChunkType, Decoder};
use tiff::tags::Tag;

/// Tiles of one channel each: the decoder stops at an assertion there, where it should say that it
/// cannot.
pub(super) fn is_unsupported(bytes: &[u8]) -> bool {
    const SEPARATE: u32 = 2;
    let Ok(mut decoder) = Decoder::new(Cursor::new(bytes)) else { return false };
    let separate =
        matches!(decoder.find_tag_unsigned::<u32>(Tag::PlanarConfiguration), Ok(Some(SEPARATE)));
    separate && decoder.get_chunk_type() == ChunkType::Tile
}
