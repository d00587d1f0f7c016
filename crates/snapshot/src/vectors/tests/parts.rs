//! The parts: file, sets, rotation, codes.

use super::Maker;
use crate::vectors::encode::{encode, width};
use crate::vectors::query::{FIELDS, LANES, LAST_LANES, QueryCode};
use crate::vectors::rotation::Rotation;
use crate::vectors::{Allowed, VectorFile, dot};

#[test]
fn vectors_are_read_as_they_were_appended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vectors");
    for dim in [2, 5, 4096] {
        let mut maker = Maker::new(dim, 1, 31);
        let rows: Vec<Vec<f32>> = (0..100).map(|_| maker.vector()).collect();
        let file = VectorFile::create(&path, dim).unwrap();
        assert_eq!(file.append(&rows[..70].concat()).unwrap(), 0);
        assert_eq!(file.append(&rows[70..].concat()).unwrap(), 70);
        file.sync().unwrap();
        drop(file);
        let file = VectorFile::open(&path, dim, 100).unwrap();
        assert_eq!((file.dim(), file.rows()), (dim, 100));
        let asked: Vec<u32> = (3..90).chain([95, 97, 98, 1, 1, 0]).collect();
        let mut read = Vec::new();
        file.read_each(&asked, |index, vector| read.push((index, vector.to_vec()))).unwrap();
        assert_eq!(read.len(), asked.len());
        for (index, vector) in read {
            assert_eq!(vector, rows[asked[index] as usize]);
        }
        let mut one = vec![0.0; dim];
        assert_eq!(file.read(100, &mut one).unwrap_err().row, 100);
        let file = VectorFile::open(&path, dim, 60).unwrap();
        assert_eq!(file.append(&rows[0]).unwrap(), 60);
        file.read(60, &mut one).unwrap();
        assert_eq!(one, rows[0]);
        assert!(file.append(&vec![0.0; dim + 1]).is_err());
        assert!(VectorFile::open(&path, dim, 101).is_err());
    }
    for dim in [0, 1, 4097] {
        assert!(VectorFile::anonymous(Some(folder.path()), dim).is_err());
    }
}

#[test]
fn a_set_holds_what_was_put_in() {
    let slots = [0, 1, 63, 64, 200, 1023];
    let allowed: Allowed = slots.into_iter().chain([64]).collect();
    assert_eq!(allowed.count(), slots.len());
    assert!(allowed.iter().eq(slots));
    assert!((0..2000).filter(|slot| allowed.contains(*slot)).eq(slots));
    assert!(!allowed.contains(u32::MAX));
    assert_eq!(Allowed::from_words(allowed.words().to_vec()), allowed);
    assert_eq!(Allowed::default().iter().count(), 0);
}

#[test]
fn a_rotation_keeps_products_and_spreads_values() {
    for dim in [2, 64, 65, 100, 512, 768, 960, 4096] {
        let mut maker = Maker::new(dim, 3, 32);
        let rotation = Rotation::new(dim);
        let rotated = |vector: &[f32]| {
            let mut out = vec![f32::NAN; rotation.padded()];
            rotation.rotate(vector, &mut out);
            out
        };
        let (a, b) = (maker.vector(), maker.vector());
        assert!((dot(&rotated(&a), &rotated(&b)) - dot(&a, &b)).abs() < 1e-5);
        let mut one = vec![0.0; dim];
        one[dim - 1] = 1.0;
        let spread = rotated(&one);
        assert!((dot(&spread, &spread) - 1.0).abs() < 1e-5);
        let greatest = spread.iter().fold(0f32, |most, value| most.max(value.abs()));
        assert!(greatest < 6.0 / (rotation.padded() as f32).sqrt(), "{greatest} in {dim}");
    }
}

/// Levels of a code in the order of the dimensions.
fn levels(code: &[u16]) -> Vec<f32> {
    let (groups, rest) = code.as_chunks::<LANES>();
    let fields = |words: &[u16]| {
        let words = words.to_vec();
        let field = move |field| words.clone().into_iter().map(move |word| word >> (2 * field) & 3);
        (0..FIELDS).flat_map(field).map(f32::from).collect::<Vec<f32>>()
    };
    let groups = groups.iter().flat_map(|words| fields(words));
    groups.chain(rest.chunks(LAST_LANES).flat_map(fields)).collect()
}

#[test]
fn products_with_codes_are_those_of_their_grid_points() {
    for padded in [64, 128, 192, 512, 1024, 1088, 4096] {
        let mut maker = Maker::new(padded, 1, 33);
        let (residual, query) = (maker.vector(), maker.vector());
        let mut code = vec![0; width(padded)];
        let factor = encode(&residual, &mut code);
        let grid: Vec<f32> = levels(&code).iter().map(|level| 2.0 * level - 3.0).collect();
        assert!(grid.iter().zip(&residual).all(|(grid, value)| grid.signum() == value.signum()));
        let exact = dot(&residual, &residual) / dot(&grid, &residual);
        assert!((factor.factor - exact).abs() < 1e-5 * exact);
        let errors: Vec<f32> =
            grid.iter().zip(&residual).map(|(grid, value)| exact * grid - value).collect();
        let noise = (dot(&errors, &errors) / padded as f32).sqrt() / exact;
        assert!((factor.noise - noise).abs() < 1e-2 * noise);
        let coded = QueryCode::new(&query);
        let twice = [&code[..], &code[..]].concat();
        let mut products = [0.0; 2];
        coded.products(&twice, &mut products);
        let product = dot(&grid, &query);
        let most = query.iter().fold(0f32, |most, value| most.max(value.abs()));
        let rounding = most / 127.0 * (padded as f32).sqrt() * 2.0;
        assert!((products[0] - product).abs() < rounding, "{} {product}", products[0]);
        let mut at = [0.0; 2];
        coded.products_at(&twice, &[1, 0], &mut at);
        assert_eq!(at, products);
    }
}

#[test]
fn extreme_queries_do_not_overflow() {
    for padded in [512, 1024, 4096] {
        let code = vec![u16::MAX; width(padded)];
        let mut products = [0.0];
        for sign in [1.0, -1.0] {
            QueryCode::new(&vec![sign; padded]).products(&code, &mut products);
            assert!((products[0] - 3.0 * sign * padded as f32).abs() < 0.1);
        }
    }
}

#[test]
fn products_do_not_depend_on_the_processor() {
    let mut maker = Maker::new(77, 2, 34);
    let (a, b) = (maker.vector(), maker.vector());
    let mut sums = [0f32; 32];
    for (index, (a, b)) in a.iter().zip(&b).enumerate() {
        sums[index % 32] += a * b;
    }
    let mut width = 32;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
    }
    assert_eq!(dot(&a, &b).to_bits(), sums[0].to_bits());
    assert_eq!(dot(&a, &b).to_bits(), dot(&b, &a).to_bits());
}
