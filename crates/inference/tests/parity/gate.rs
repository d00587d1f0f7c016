//! A model with 8-bit weights is served only after a comparison with the same model in fp32.

use std::fs;

use image::{Rgb, RgbImage};
use inference::{Metadata, ModelError, Picture, PictureFormat, Precision, gate};

use crate::fixture::{changed, imported, with};
use crate::runtime::runtime;

/// This many different pictures.
fn pictures(count: u32) -> impl Iterator<Item = Picture> {
    (0..count).map(|seed| {
        let (width, height) = (40 + seed % 23, 35 + seed % 31);
        let value = |x: u32, y: u32, c: u32| {
            ((x * (seed % 13 + 1) + y * (seed % 7 + 2) * (c + 1) + seed * 37) % 256) as u8
        };
        let rgb = RgbImage::from_fn(width, height, |x, y| {
            Rgb([value(x, y, 0), value(x, y, 1), value(x, y, 2)])
        });
        Picture {
            rgb,
            format: PictureFormat::Png,
            width,
            height,
            orientation: 1,
            metadata: Metadata::default(),
        }
    })
}

#[test]
fn a_near_model_passes_and_its_record_is_bound_to_both_manifests() {
    let (reference, candidate) = (imported("dinov3"), with("dinov3", Precision::Int8, |text| text));
    assert_eq!(reference.model.manifest.space, candidate.model.manifest.space);
    let error = gate::passed(&candidate.model).unwrap_err();
    assert!(matches!(error, ModelError::Gate { .. }) && error.is_fatal(), "{error}");
    assert!(
        error.to_string().contains("no gate.json")
            && error.to_string().contains("embedder models gate"),
        "{error}"
    );

    let exact = reference.model.image_encoder(&runtime(), 16).unwrap();
    let rounded = candidate.model.image_encoder(&runtime(), 16).unwrap();
    let report = gate::compare(&exact, &rounded, pictures(500)).unwrap();
    println!("{report:?}");
    assert!(report.pictures == 500 && report.passes(), "{report:?}");
    assert!(report.min < 1.0 && f64::from(report.min) <= f64::from(report.mean), "{report:?}");

    let record = gate::record(&reference.model, &candidate.model, &report).unwrap();
    let file = candidate.folder.path().join(gate::FILE);
    fs::write(&file, &record).unwrap();
    gate::passed(&candidate.model).unwrap();

    fs::write(&file, record.replace(&candidate.model.digest, &"0".repeat(64))).unwrap();
    assert!(gate::passed(&candidate.model).unwrap_err().to_string().contains("another model.toml"));
    let few = gate::GateReport { pictures: 499, ..report };
    fs::write(&file, gate::record(&reference.model, &candidate.model, &few).unwrap()).unwrap();
    assert!(gate::passed(&candidate.model).unwrap_err().to_string().contains("of 499 pictures"));
    fs::write(&file, "{}").unwrap();
    assert!(
        gate::passed(&candidate.model).unwrap_err().to_string().contains("cannot be understood")
    );
    // A model in fp32 needs no comparison. Only models of one space can be compared.
    gate::passed(&reference.model).unwrap();
    assert!(gate::record(&imported("clip").model, &candidate.model, &report).is_err());
    assert!(gate::record(&candidate.model, &candidate.model, &report).is_err());
}

#[test]
fn a_model_that_computes_something_else_does_not_pass() {
    let reference = imported("siglip2").model.image_encoder(&runtime(), 16).unwrap();
    let other = changed("siglip2", &[("mean = [0.5, 0.5, 0.5]", "mean = [0.0, 0.0, 0.0]")]);
    let other = other.model.image_encoder(&runtime(), 16).unwrap();
    let report = gate::compare(&reference, &other, pictures(500)).unwrap();
    assert!(!report.passes() && report.share_at_least_0_99 < 0.5, "{report:?}");
    assert!(!gate::compare(&reference, &reference, pictures(20)).unwrap().passes());
    assert!(!gate::compare(&reference, &reference, pictures(0)).unwrap().passes());
    assert!(gate::compare(&reference, &reference, pictures(500)).unwrap().passes());
}
