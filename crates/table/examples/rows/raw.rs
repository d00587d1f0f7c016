//! What was generated, as plain files for programs that know no tables. All numbers are
//! little-endian.
//!
//! | file | per row |
//! |---|---|
//! | `vectors.f32` | the picture's vector |
//! | `ids.u64` | the first half of its id |
//! | `taken.i64` | seconds since 1970; the least number without a date |
//! | `places.f64` | latitude and longitude; not a number without a place |
//! | `folders.u8`, `keywords.u8` | as in [`GeneratedRow`] |

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;

use crate::generator::GeneratedRow;

/// The files while they are written.
pub(crate) struct RawFiles {
    vectors: BufWriter<File>,
    ids: BufWriter<File>,
    taken: BufWriter<File>,
    places: BufWriter<File>,
    folders: BufWriter<File>,
    keywords: BufWriter<File>,
}

impl RawFiles {
    pub(crate) fn create(folder: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            vectors: create(folder, "vectors.f32")?,
            ids: create(folder, "ids.u64")?,
            taken: create(folder, "taken.i64")?,
            places: create(folder, "places.f64")?,
            folders: create(folder, "folders.u8")?,
            keywords: create(folder, "keywords.u8")?,
        })
    }

    pub(crate) fn append(&mut self, rows: &[GeneratedRow]) -> anyhow::Result<()> {
        for row in rows {
            write_floats(&mut self.vectors, &row.picture)?;
            let first = row.facts.image_id.get(..16).unwrap_or_default();
            self.ids.write_all(&u64::from_str_radix(first, 16)?.to_le_bytes())?;
            let taken = row.facts.taken_at.map_or(i64::MIN, |taken| taken.as_second());
            self.taken.write_all(&taken.to_le_bytes())?;
            for degrees in [row.facts.latitude, row.facts.longitude] {
                self.places.write_all(&degrees.unwrap_or(f64::NAN).to_le_bytes())?;
            }
            self.folders.write_all(&[row.folder])?;
            self.keywords.write_all(&[row.keywords])?;
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> anyhow::Result<()> {
        let Self { vectors, ids, taken, places, folders, keywords } = self;
        for mut file in [vectors, ids, taken, places, folders, keywords] {
            file.flush()?;
        }
        Ok(())
    }
}

/// Writes vectors one after the other.
pub(crate) fn write_vectors(
    folder: &Path,
    name: &str,
    vectors: impl Iterator<Item = Vec<f32>>,
) -> anyhow::Result<()> {
    let mut file = create(folder, name)?;
    for vector in vectors {
        write_floats(&mut file, &vector)?;
    }
    Ok(file.flush()?)
}

/// Vectors of this length.
pub(crate) fn read_vectors(folder: &Path, name: &str, dim: usize) -> anyhow::Result<Vec<Vec<f32>>> {
    let path = folder.join(name);
    let bytes =
        std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let (numbers, _) = bytes.as_chunks::<4>();
    let values: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    Ok(values.chunks_exact(dim).map(<[f32]>::to_vec).collect())
}

fn create(folder: &Path, name: &str) -> anyhow::Result<BufWriter<File>> {
    let path = folder.join(name);
    let file =
        File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(BufWriter::with_capacity(1 << 20, file))
}

fn write_floats(file: &mut BufWriter<File>, values: &[f32]) -> std::io::Result<()> {
    for value in values {
        file.write_all(&value.to_le_bytes())?;
    }
    Ok(())
}
