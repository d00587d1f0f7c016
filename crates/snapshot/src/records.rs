//! Records in a local file: what a hit shows, and no search looks at. Each record has its length
//! and a checksum. A file that was cut or overwritten is an error, never another record's content.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_64;

/// Length and checksum before every record.
const HEAD_BYTES: u64 = 12;
/// A longer record is none of ours.
const MAX_RECORD_BYTES: u32 = 1 << 20;

/// A record cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The bytes are not those that were written.
    #[error("a local file of the snapshot is damaged")]
    Damaged,
    /// The file cannot be used.
    #[error("a local file of the snapshot cannot be used: {0}")]
    Io(#[from] io::Error),
}

/// A file of records, to which records are only added. One thread adds; any number read.
#[derive(Debug)]
pub struct RecordFile {
    file: File,
    end: AtomicU64,
}

impl RecordFile {
    /// A file without a name, in this folder or in the system's own for temporary files. It is gone
    /// with the process.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn anonymous(folder: Option<&Path>) -> io::Result<Self> {
        let file = match folder {
            Some(folder) => tempfile::tempfile_in(folder)?,
            None => tempfile::tempfile()?,
        };
        Ok(Self { file, end: AtomicU64::new(0) })
    }

    /// A new file, or an existing one whose first `end` bytes hold. What is behind them is
    /// overwritten.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path, end: u64) -> io::Result<Self> {
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        Ok(Self { file, end: AtomicU64::new(end) })
    }

    /// Where the next record begins: the bytes used.
    pub fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Adds records and returns where each one lies. Readers find them at once.
    ///
    /// # Errors
    /// A record is too long, or the file cannot be written.
    pub fn append<'a>(
        &self,
        records: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Vec<u64>, RecordError> {
        let begin = self.end();
        let (mut bytes, mut places) = (Vec::new(), Vec::new());
        for record in records {
            let length = u32::try_from(record.len()).ok().filter(|len| *len <= MAX_RECORD_BYTES);
            let length = length.ok_or_else(|| io::Error::other("a record is too long"))?;
            places.push(begin + bytes.len() as u64);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&xxh3_64(record).to_le_bytes());
            bytes.extend_from_slice(record);
        }
        self.file.write_all_at(&bytes, begin)?;
        self.end.store(begin + bytes.len() as u64, Ordering::Release);
        Ok(places)
    }

    /// The record that lies here.
    ///
    /// # Errors
    /// The file is damaged or cannot be read.
    pub fn read(&self, place: u64) -> Result<Vec<u8>, RecordError> {
        let mut head = [0; HEAD_BYTES as usize];
        self.read_at(&mut head, place)?;
        let (length, checksum) = head.split_at(4);
        let length = u32::from_le_bytes(length.try_into().map_err(|_| RecordError::Damaged)?);
        let checksum = u64::from_le_bytes(checksum.try_into().map_err(|_| RecordError::Damaged)?);
        if length > MAX_RECORD_BYTES {
            return Err(RecordError::Damaged);
        }
        let mut record = vec![0; length as usize];
        self.read_at(&mut record, place + HEAD_BYTES)?;
        if xxh3_64(&record) == checksum { Ok(record) } else { Err(RecordError::Damaged) }
    }

    fn read_at(&self, bytes: &mut [u8], place: u64) -> Result<(), RecordError> {
        self.file.read_exact_at(bytes, place).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => RecordError::Damaged,
            _ => RecordError::Io(error),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_back_and_damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records");
        let file = RecordFile::open(&path, 0).unwrap();
        let places = file.append([b"first".as_slice(), b"", b"third"]).unwrap();
        let more = file.append([b"fourth".as_slice()]).unwrap();
        assert_eq!(file.read(places[0]).unwrap(), b"first");
        assert_eq!(file.read(places[1]).unwrap(), b"");
        assert_eq!(file.read(more[0]).unwrap(), b"fourth");
        let again = RecordFile::open(&path, more[0]).unwrap();
        assert_eq!(again.read(places[2]).unwrap(), b"third");
        let whole = std::fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 1;
            std::fs::write(&path, &damaged).unwrap();
            let all = places.iter().chain(&more);
            assert!(all.into_iter().any(|at| file.read(*at).is_err()), "{place}");
        }
        std::fs::write(&path, b"").unwrap();
        assert!(matches!(file.read(places[0]), Err(RecordError::Damaged)));
    }
}
