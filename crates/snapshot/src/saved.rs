//! How the parts of a snapshot are written to a file and read back. A reader trusts no length: it
//! never asks for more memory than there are bytes. The whole file has a checksum of its own.

use std::io::{self, Write};

use bytemuck::{Pod, Zeroable, cast_slice, cast_slice_mut};

/// The bytes are not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the saved snapshot is damaged")]
pub struct DamagedSave;

/// Writes a number.
///
/// # Errors
/// The writer's own.
pub fn put_number(out: &mut impl Write, number: u64) -> io::Result<()> {
    out.write_all(&number.to_le_bytes())
}

/// Writes values with their number.
///
/// # Errors
/// The writer's own.
pub fn put_values<T: Pod>(out: &mut impl Write, values: &[T]) -> io::Result<()> {
    put_number(out, values.len() as u64)?;
    out.write_all(cast_slice(values))
}

/// Reads what the functions above wrote, in the same order.
#[derive(Debug)]
pub struct SavedBytes<'a>(pub &'a [u8]);

impl<'a> SavedBytes<'a> {
    /// The next bytes.
    ///
    /// # Errors
    /// There are fewer.
    pub fn take(&mut self, bytes: usize) -> Result<&'a [u8], DamagedSave> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(DamagedSave)?;
        self.0 = rest;
        Ok(taken)
    }

    /// The next number.
    ///
    /// # Errors
    /// There is none.
    pub fn number(&mut self) -> Result<u64, DamagedSave> {
        let bytes = self.take(8)?;
        bytes.try_into().map(u64::from_le_bytes).map_err(|_| DamagedSave)
    }

    /// The next number, as a length or a place.
    ///
    /// # Errors
    /// There is none, or it is too great.
    pub fn length(&mut self) -> Result<usize, DamagedSave> {
        usize::try_from(self.number()?).map_err(|_| DamagedSave)
    }

    /// The next values.
    ///
    /// # Errors
    /// There are fewer than their number says.
    pub fn values<T: Pod + Zeroable>(&mut self) -> Result<Vec<T>, DamagedSave> {
        let count = self.length()?;
        let bytes = self.take(count.checked_mul(size_of::<T>()).ok_or(DamagedSave)?)?;
        let mut values = vec![T::zeroed(); count];
        cast_slice_mut::<T, u8>(&mut values).copy_from_slice(bytes);
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back_and_less_is_refused() {
        let mut bytes = Vec::new();
        put_number(&mut bytes, 7).unwrap();
        put_values(&mut bytes, &[1_u128, 2]).unwrap();
        let read = |bytes| {
            let mut saved = SavedBytes(bytes);
            Ok::<_, DamagedSave>((saved.number()?, saved.values::<u128>()?))
        };
        assert_eq!(read(&bytes), Ok((7, vec![1, 2])));
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end]), Err(DamagedSave), "{end}");
        }
        let huge = [7, u64::MAX / 16 + 1].map(u64::to_le_bytes).concat();
        assert_eq!(read(&huge), Err(DamagedSave));
    }
}
