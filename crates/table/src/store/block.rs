//! A block of an immutable object, and how it lies on disk.

use std::io::{Read, Write};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use foyer::{Code, Error, ErrorKind, Result};
use object_store::ObjectMeta;
use object_store::path::Path;

/// Size of a block. The table library joins reads that lie nearer to each other than this, and a
/// single row then costs no more than this.
pub(super) const BLOCK_BYTES: u64 = 64 << 10;
/// Longest path and ETag on disk; S3 allows keys of 1,024 bytes.
const LONGEST_TEXT: usize = 4096;
/// Stands for the number of a block in the key under which only the object's head is kept.
const HEAD: u64 = u64::MAX;

/// Names a block. The path suffices, because the table library never writes a path twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct BlockKey {
    path: String,
    block: u64,
}

impl BlockKey {
    pub(super) fn new(path: &Path, block: u64) -> Self {
        Self { path: path.to_string(), block }
    }

    /// The key of the object's head alone.
    pub(super) fn head(path: &Path) -> Self {
        Self::new(path, HEAD)
    }
}

/// What a store says about an object beside its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ObjectHead {
    /// In bytes.
    pub(super) size: u64,
    modified_us: i64,
    e_tag: Option<String>,
}

impl ObjectHead {
    pub(super) fn of(meta: &ObjectMeta) -> Self {
        Self {
            size: meta.size,
            modified_us: meta.last_modified.timestamp_micros(),
            e_tag: meta.e_tag.clone(),
        }
    }

    pub(super) fn meta(&self, path: &Path) -> ObjectMeta {
        let since_1970 = Duration::from_micros(u64::try_from(self.modified_us).unwrap_or(0));
        ObjectMeta {
            location: path.clone(),
            last_modified: (SystemTime::UNIX_EPOCH + since_1970).into(),
            size: self.size,
            e_tag: self.e_tag.clone(),
            version: None,
        }
    }

    /// Length of a block of this object.
    pub(super) fn length_of(&self, block: u64) -> u64 {
        self.size.saturating_sub(block.saturating_mul(BLOCK_BYTES)).min(BLOCK_BYTES)
    }
}

/// Some bytes of an object, with its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredBlock {
    pub(super) head: ObjectHead,
    /// Empty if only the head is kept.
    pub(super) bytes: Bytes,
}

impl Code for BlockKey {
    fn encode(&self, writer: &mut impl Write) -> Result<()> {
        write_bytes(writer, self.path.as_bytes())?;
        self.block.encode(writer)
    }

    fn decode(reader: &mut impl Read) -> Result<Self> {
        Ok(Self { path: read_text(reader)?, block: u64::decode(reader)? })
    }

    fn estimated_size(&self) -> usize {
        4 + self.path.len() + 8
    }
}

impl Code for StoredBlock {
    fn encode(&self, writer: &mut impl Write) -> Result<()> {
        self.head.size.encode(writer)?;
        self.head.modified_us.encode(writer)?;
        self.head.e_tag.is_some().encode(writer)?;
        write_bytes(writer, self.head.e_tag.as_deref().unwrap_or_default().as_bytes())?;
        write_bytes(writer, &self.bytes)
    }

    fn decode(reader: &mut impl Read) -> Result<Self> {
        let (size, modified_us) = (u64::decode(reader)?, i64::decode(reader)?);
        let has_tag = bool::decode(reader)?;
        let e_tag = Some(read_text(reader)?).filter(|_| has_tag);
        let bytes = read_bytes(reader, BLOCK_BYTES as usize)?.into();
        Ok(Self { head: ObjectHead { size, modified_us, e_tag }, bytes })
    }

    fn estimated_size(&self) -> usize {
        8 + 8 + 1 + 4 + self.head.e_tag.as_ref().map_or(0, String::len) + 4 + self.bytes.len()
    }
}

fn write_bytes(writer: &mut impl Write, bytes: &[u8]) -> Result<()> {
    (bytes.len() as u32).encode(writer)?;
    writer.write_all(bytes).map_err(Error::io_error)
}

fn read_bytes(reader: &mut impl Read, most: usize) -> Result<Vec<u8>> {
    let length = u32::decode(reader)? as usize;
    if length > most {
        return Err(Error::new(ErrorKind::OutOfRange, "a length on disk is out of range"));
    }
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes).map_err(Error::io_error)?;
    Ok(bytes)
}

fn read_text(reader: &mut impl Read) -> Result<String> {
    let bytes = read_bytes(reader, LONGEST_TEXT)?;
    String::from_utf8(bytes)
        .map_err(|_| Error::new(ErrorKind::OutOfRange, "a text on disk is no UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: &impl Code) -> Vec<u8> {
        let mut bytes = Vec::new();
        value.encode(&mut bytes).unwrap();
        assert_eq!(bytes.len(), value.estimated_size());
        bytes
    }

    #[test]
    fn blocks_come_back_from_disk_as_they_were() {
        let key = BlockKey::new(&Path::from("a/海.lance/data/1"), 7);
        assert_eq!(BlockKey::decode(&mut encoded(&key).as_slice()).unwrap(), key);
        for e_tag in [None, Some(String::new()), Some("\"tag\"".to_owned())] {
            let head = ObjectHead { size: 70_000, modified_us: 1_700_000_000_123_456, e_tag };
            let block = StoredBlock { head, bytes: Bytes::from_static(b"bytes") };
            assert_eq!(StoredBlock::decode(&mut encoded(&block).as_slice()).unwrap(), block);
            let meta = block.head.meta(&Path::from("x"));
            assert_eq!(ObjectHead::of(&meta), block.head);
            assert_eq!(
                (0..3).map(|n| block.head.length_of(n)).collect::<Vec<_>>(),
                [65_536, 4464, 0]
            );
        }
    }

    #[test]
    fn a_wrong_length_on_disk_takes_no_memory() {
        let mut bytes = encoded(&BlockKey::new(&Path::from("a"), 0));
        bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(BlockKey::decode(&mut bytes.as_slice()).is_err());
    }
}
