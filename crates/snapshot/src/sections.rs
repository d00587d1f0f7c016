//! A file of sections, each with its length and a checksum. A file that was cut or overwritten is
//! found out before anything of the damaged section is used.

use std::io::{self, Read, Seek, SeekFrom, Write};

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use crate::saved::DamagedSave;

/// Writes through, and counts and hashes what is written.
struct SummedSection<'a, W> {
    out: &'a mut W,
    bytes: u64,
    hasher: Xxh3Default,
}

impl<W: Write> Write for SummedSection<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or(bytes));
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes a section, whose content `fill` writes.
///
/// # Errors
/// The writer's or `fill`'s own.
pub fn write_section<W: Write + Seek>(
    out: &mut W,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let begin = out.stream_position()?;
    out.write_all(&[0; 8])?;
    let mut summed = SummedSection { out, bytes: 0, hasher: Xxh3Default::new() };
    fill(&mut summed)?;
    let (bytes, sum) = (summed.bytes, summed.hasher.digest());
    out.write_all(&sum.to_le_bytes())?;
    let end = out.stream_position()?;
    out.seek(SeekFrom::Start(begin))?;
    out.write_all(&bytes.to_le_bytes())?;
    out.seek(SeekFrom::Start(end))?;
    Ok(())
}

/// Reads the next section of a file with so many bytes left, and takes it off them.
///
/// # Errors
/// The section is damaged, or the file cannot be read.
pub fn read_section(file: &mut impl Read, left: &mut u64) -> Result<Vec<u8>, DamagedSave> {
    let mut number = || -> Result<u64, DamagedSave> {
        let mut bytes = [0; 8];
        file.read_exact(&mut bytes).map_err(|_| DamagedSave)?;
        Ok(u64::from_le_bytes(bytes))
    };
    let length = number()?;
    *left = left.checked_sub(16).and_then(|left| left.checked_sub(length)).ok_or(DamagedSave)?;
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| DamagedSave)?];
    file.read_exact(&mut bytes).map_err(|_| DamagedSave)?;
    let mut sum = [0; 8];
    file.read_exact(&mut sum).map_err(|_| DamagedSave)?;
    if xxh3_64(&bytes).to_le_bytes() == sum { Ok(bytes) } else { Err(DamagedSave) }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<Vec<u8>>, DamagedSave> {
        let (mut left, mut file) = (bytes.len() as u64, Cursor::new(bytes));
        (0..2).map(|_| read_section(&mut file, &mut left)).collect()
    }

    #[test]
    fn any_damage_is_found() {
        let mut file = Cursor::new(Vec::new());
        write_section(&mut file, |out| out.write_all(b"one")).unwrap();
        write_section(&mut file, |out| {
            out.write_all(b"the ")?;
            out.write_all(b"other")
        })
        .unwrap();
        let whole = file.into_inner();
        assert_eq!(read(&whole).unwrap(), [b"one".to_vec(), b"the other".to_vec()]);
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x10;
            assert!(read(&damaged).is_err(), "{place}");
            assert!(read(&whole[..place]).is_err(), "{place}");
        }
    }
}
