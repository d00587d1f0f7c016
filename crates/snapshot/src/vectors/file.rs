//! The exact vectors, in a local file that is read by position.
//!
//! It is not mapped into memory: a file that was cut is an error here, not the end of the process.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes that one system call reads at most, or the bytes of a row if they are more.
const READ_BYTES: usize = 256 * 1024;

/// A checksum takes the room of two numbers.
const CHECKSUM_NUMBERS: usize = 2;

/// A vector could not be read back as it was written.
#[derive(Debug, thiserror::Error)]
#[error("vector {row} of the vector file is damaged; delete the snapshot, so that it is made anew")]
pub struct Damaged {
    /// The row that is damaged, or the first of several that were read together.
    pub row: u32,
    #[source]
    cause: Option<io::Error>,
}

/// Rows of f32 vectors of one dimension, each followed by its XXH3, in the byte order of this
/// processor. Rows are appended and never changed. The row number is part of the checksum, so a row
/// at another's place is damaged.
#[derive(Debug)]
pub struct VectorFile {
    file: File,
    dim: usize,
    rows: Mutex<u32>,
}

impl VectorFile {
    /// A new file at `path`, or an existing one emptied.
    ///
    /// # Errors
    /// The file cannot be made, or `dim` is not in 2..=4096.
    pub fn create(path: &Path, dim: usize) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        Self::of(options.open(path)?, dim, 0)
    }

    /// The first `rows` rows of an existing file. What follows them is overwritten by appending.
    ///
    /// # Errors
    /// The file cannot be opened or is shorter, or `dim` is not in 2..=4096.
    pub fn open(path: &Path, dim: usize, rows: u32) -> io::Result<Self> {
        let this = Self::of(OpenOptions::new().read(true).write(true).open(path)?, dim, rows)?;
        if this.file.metadata()?.len() < this.position(rows) {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "vector file is too short"));
        }
        Ok(this)
    }

    /// A new file without a name in `folder`, or where temporary files are: it ends with the
    /// process.
    ///
    /// # Errors
    /// The file cannot be made, or `dim` is not in 2..=4096.
    pub fn anonymous(folder: Option<&Path>, dim: usize) -> io::Result<Self> {
        let file = match folder {
            Some(folder) => tempfile::tempfile_in(folder)?,
            None => tempfile::tempfile()?,
        };
        Self::of(file, dim, 0)
    }

    fn of(file: File, dim: usize, rows: u32) -> io::Result<Self> {
        if !(2..=4096).contains(&dim) {
            return Err(io::Error::new(ErrorKind::InvalidInput, "dimension is not in 2..=4096"));
        }
        Ok(Self { file, dim, rows: Mutex::new(rows) })
    }

    /// Numbers of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How many rows there are.
    pub fn rows(&self) -> u32 {
        *self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the rows are on the disk.
    ///
    /// # Errors
    /// The disk did not take them.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Appends vectors that lie one behind the other, and returns the number of the first row.
    /// After an error nothing is appended.
    ///
    /// # Errors
    /// The length is no multiple of the dimension, the file is full, or it cannot be written.
    pub fn append(&self, vectors: &[f32]) -> io::Result<u32> {
        let added = vectors.len() / self.dim;
        if !vectors.len().is_multiple_of(self.dim) {
            return Err(io::Error::new(ErrorKind::InvalidInput, "vectors of another dimension"));
        }
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let first = *rows;
        let full = || io::Error::new(ErrorKind::StorageFull, "vector file has 4 billion rows");
        // The greatest number is no row: it stands for none.
        let end = u32::try_from(added).ok().and_then(|added| first.checked_add(added));
        let end = end.filter(|end| *end < u32::MAX).ok_or_else(full)?;
        let together = self.rows_together();
        let mut bytes = Vec::with_capacity(added.min(together) * self.stride());
        for (part, block) in vectors.chunks(together * self.dim).enumerate() {
            bytes.clear();
            let first = first + (part * together) as u32;
            for (vector, row) in block.chunks_exact(self.dim).zip(first..) {
                let vector = bytemuck::cast_slice(vector);
                bytes.extend_from_slice(vector);
                bytes.extend_from_slice(&checksum(vector, row).to_ne_bytes());
            }
            self.file.write_all_at(&bytes, self.position(first))?;
        }
        *rows = end;
        Ok(first)
    }

    /// Reads one vector into `out`, which has its dimension.
    ///
    /// # Errors
    /// The row is not as it was written.
    pub fn read(&self, row: u32, out: &mut [f32]) -> Result<(), Damaged> {
        let vectors = [row];
        self.read_each(&vectors, |_, vector| {
            for (out, value) in out.iter_mut().zip(vector) {
                *out = *value;
            }
        })
    }

    /// Reads vectors, those of consecutive rows with one system call, and tells `each` the index
    /// in `rows` and the vector. Ascending rows are read fastest.
    ///
    /// # Errors
    /// A row is not as it was written.
    pub fn read_each(
        &self,
        rows: &[u32],
        mut each: impl FnMut(usize, &[f32]),
    ) -> Result<(), Damaged> {
        let numbers = self.dim + CHECKSUM_NUMBERS;
        let together = self.rows_together();
        let mut buffer = Vec::new();
        let mut index = 0;
        for run in rows.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
            for run in run.chunks(together) {
                if buffer.len() < run.len() * numbers {
                    buffer.resize(run.len() * numbers, 0f32);
                }
                let (Some(first), Some(read)) =
                    (run.first(), buffer.get_mut(..run.len() * numbers))
                else {
                    continue;
                };
                self.file
                    .read_exact_at(bytemuck::cast_slice_mut(read), self.position(*first))
                    .map_err(|cause| Damaged { row: *first, cause: Some(cause) })?;
                for (row, read) in run.iter().zip(read.chunks_exact(numbers)) {
                    let (vector, sum) = read.split_at(self.dim);
                    let right = checksum(bytemuck::cast_slice(vector), *row).to_ne_bytes();
                    if bytemuck::cast_slice::<f32, u8>(sum) != right {
                        return Err(Damaged { row: *row, cause: None });
                    }
                    each(index, vector);
                    index += 1;
                }
            }
        }
        Ok(())
    }

    fn rows_together(&self) -> usize {
        (READ_BYTES / self.stride()).max(1)
    }

    fn stride(&self) -> usize {
        4 * (self.dim + CHECKSUM_NUMBERS)
    }

    fn position(&self, row: u32) -> u64 {
        u64::from(row) * self.stride() as u64
    }
}

fn checksum(vector: &[u8], row: u32) -> u64 {
    xxh3_64_with_seed(vector, u64::from(row))
}
