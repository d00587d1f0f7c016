//! TIFF layouts that the decoder cannot decode.

use std::io::Cursor;

use tiff::decoder::{ChunkType, Decoder};
use tiff::tags::Tag;

/// Whether the file has tiles of one channel each. The decoder panics on them instead of returning
/// an error.
pub(super) fn is_unsupported(bytes: &[u8]) -> bool {
    const SEPARATE: u32 = 2;
    let Ok(mut decoder) = Decoder::new(Cursor::new(bytes)) else { return false };
    let separate =
        matches!(decoder.find_tag_unsigned::<u32>(Tag::PlanarConfiguration), Ok(Some(SEPARATE)));
    separate && decoder.get_chunk_type() == ChunkType::Tile
}
