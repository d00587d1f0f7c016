//! A sample as bytes: the 8 bytes `BLCALIB1`, a checksum of all that follows (XXH3, 8 bytes), the
//! length of the header (4 bytes), the header (JSON), and the vectors one after the other (`f32`).
//! Numbers are little-endian.

use xxhash_rust::xxh3::xxh3_64;

use super::{Calibration, CalibrationSource, MOST_HEADER_BYTES, MOST_VECTORS};

const MAGIC: &[u8; 8] = b"BLCALIB1";

impl Calibration {
    pub(super) fn encoded(&self) -> Result<Vec<u8>, String> {
        let header = serde_json::to_vec(&self.of).map_err(|error| error.to_string())?;
        if header.len() > MOST_HEADER_BYTES {
            return Err(format!("its header would have {} bytes", header.len()));
        }
        let mut body = (header.len() as u32).to_le_bytes().to_vec();
        body.extend(header);
        body.extend(self.vectors.iter().flatten().flat_map(|value| value.to_le_bytes()));
        Ok([MAGIC.as_slice(), &xxh3_64(&body).to_le_bytes(), &body].concat())
    }

    /// `None` if this is not what [`Self::encoded`] makes.
    pub(super) fn decoded(bytes: &[u8]) -> Option<Self> {
        let (checksum, body) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<8>()?;
        if u64::from_le_bytes(*checksum) != xxh3_64(body) {
            return None;
        }
        let (length, rest) = body.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        if length > MOST_HEADER_BYTES {
            return None;
        }
        let (header, values) = rest.split_at_checked(length)?;
        let of: CalibrationSource = serde_json::from_slice(header).ok()?;
        let vector_bytes = of.dim.checked_mul(4).filter(|bytes| *bytes > 0)?;
        if values.len() % vector_bytes != 0 || values.len() / vector_bytes > MOST_VECTORS {
            return None;
        }
        let (values, _) = values.as_chunks::<4>();
        let values: Vec<f32> = values.iter().map(|value| f32::from_le_bytes(*value)).collect();
        let is_finite = values.iter().all(|value| value.is_finite());
        let vectors = values.chunks(of.dim).map(<[f32]>::to_vec).collect();
        is_finite.then_some(Self { of, vectors })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calibration() -> Calibration {
        let of = CalibrationSource {
            table: "embeddings_a".into(),
            version: 7,
            rows: 12,
            space: "a".into(),
            manifest_hash: "0".into(),
            dim: 3,
        };
        Calibration { of, vectors: vec![vec![1.0, 0.0, -0.5], vec![0.25, 0.5, 0.0]] }
    }

    #[test]
    fn a_sample_comes_back_and_a_damaged_one_does_not() {
        let encoded = calibration().encoded().unwrap();
        assert_eq!(Calibration::decoded(&encoded), Some(calibration()));
        for at in 0..encoded.len() {
            let mut bytes = encoded.clone();
            bytes[at] ^= 1;
            assert_eq!(Calibration::decoded(&bytes), None, "byte {at}");
            assert_eq!(Calibration::decoded(&encoded[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn a_header_that_lies_is_refused_also_with_a_right_checksum() {
        let lying = [
            CalibrationSource { dim: 0, ..calibration().of },
            CalibrationSource { dim: 4, ..calibration().of },
            CalibrationSource { dim: usize::MAX, ..calibration().of },
        ];
        for of in lying {
            let encoded = Calibration { of, ..calibration() }.encoded().unwrap();
            assert_eq!(Calibration::decoded(&encoded), None);
        }
        let too_many = vec![vec![0.5; 3]; MOST_VECTORS + 1];
        let encoded = Calibration { vectors: too_many, ..calibration() }.encoded().unwrap();
        assert_eq!(Calibration::decoded(&encoded), None);
        let infinite = Calibration { vectors: vec![vec![f32::NAN; 3]], ..calibration() };
        assert_eq!(Calibration::decoded(&infinite.encoded().unwrap()), None);
    }
}
