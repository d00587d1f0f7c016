//! Vectors of words as a state object. First come the bytes of [`MAGIC`], then the number of
//! vectors and their length, as 32-bit integers, and all values as 32-bit floats, little-endian.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};

const MAGIC: &[u8] = b"bucketlens words 1\n";
/// How far the length of a stored vector may be from 1.
const UNIT_TOLERANCE: f32 = 0.01;

/// Vectors of words, each of unit length.
pub(crate) type WordVectors = Arc<Vec<Vec<f32>>>;

/// The object of these vectors, each of length `dim`.
pub(crate) fn write(vectors: &[Vec<f32>], dim: usize) -> Bytes {
    let mut object = BytesMut::with_capacity(MAGIC.len() + 8 + 4 * dim * vectors.len());
    object.put_slice(MAGIC);
    object.put_u32_le(vectors.len() as u32);
    object.put_u32_le(dim as u32);
    vectors.iter().flatten().for_each(|value| object.put_f32_le(*value));
    object.freeze()
}

/// The vectors of an object, if it holds exactly `count` unit vectors of length `dim`.
pub(crate) fn read(object: Bytes, count: usize, dim: usize) -> Option<Vec<Vec<f32>>> {
    let mut rest = object.strip_prefix(MAGIC)?;
    let size = count.checked_mul(dim)?.checked_mul(4)?.checked_add(8)?;
    let fits = rest.len() == size
        && rest.get_u32_le() as usize == count
        && rest.get_u32_le() as usize == dim;
    if !fits || dim == 0 {
        return None;
    }
    let vectors: Vec<Vec<f32>> = rest
        .chunks_exact(4 * dim)
        .map(|row| row.chunks_exact(4).map(|mut value| value.get_f32_le()).collect())
        .collect();
    let is_unit = |vector: &Vec<f32>| {
        let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        (length - 1.0).abs() <= UNIT_TOLERANCE
    };
    vectors.iter().all(is_unit).then_some(vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        let vectors = vec![vec![0.6, 0.8], vec![1.0, 0.0], vec![0.0, -1.0]];
        assert_eq!(read(write(&vectors, 2), 3, 2), Some(vectors));
    }

    #[test]
    fn an_object_of_another_shape_is_refused() {
        let good = write(&[vec![0.6, 0.8], vec![1.0, 0.0]], 2);
        let changed = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good.to_vec();
            change(&mut bytes);
            read(bytes.into(), 2, 2)
        };
        assert!(changed(&|_| {}).is_some());
        assert_eq!(read(Bytes::new(), 2, 2), None);
        assert_eq!(read(good.clone(), 2, 4), None, "another model's");
        assert_eq!(read(good.clone(), 1, 2), None, "of other words");
        assert_eq!(changed(&|bytes| bytes.truncate(30)), None);
        assert_eq!(changed(&|bytes| bytes.push(0)), None);
        assert_eq!(changed(&|bytes| bytes[0] = b'B'), None);
        let value = MAGIC.len() + 8;
        let nan = f32::NAN.to_le_bytes();
        assert_eq!(changed(&|bytes| bytes[value..value + 4].copy_from_slice(&nan)), None);
        let large = 3.0_f32.to_le_bytes();
        assert_eq!(changed(&|bytes| bytes[value..value + 4].copy_from_slice(&large)), None);
    }
}
