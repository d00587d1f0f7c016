//! The `[golden]` of a manifest: a model that does not compute what its reference computes is
//! refused.

use std::fs;
use std::path::Path;

use inference::golden::{Compared, agreement, verify};
use inference::{Golden, Manifest, Model, ModelError};

use crate::fixture::{Fixture, SPEAKING, imported, unit};
use crate::runtime::runtime;

/// The fixture with golden values in its manifest: those of the reference for one picture and one
/// text, after a change.
fn with_golden(fixture: &Fixture, change: impl FnOnce(&mut Golden)) -> Model {
    let [picture, text] = [&fixture.golden.pictures[2], &fixture.golden.pictures[0]];
    let (text_of, picture) =
        (&fixture.golden.texts[0], if picture.is_lossy() { text } else { picture });
    fs::write(fixture.folder.path().join("golden.png"), picture.bytes()).unwrap();
    let pad = i64::from(fixture.model.manifest.text.as_ref().unwrap().pad_id);
    let end = text_of.ids.iter().rposition(|id| *id != pad).unwrap() + 1;
    let fixed = fixture.model.manifest.text.as_ref().unwrap().pad_to > 0;
    // Where the end token also pads, one of them belongs to the text.
    let kept = if fixed {
        end + usize::from(fixture.model.manifest.text.as_ref().unwrap().outputs.is_empty())
    } else {
        text_of.ids.len()
    };
    let mut golden = Golden {
        picture: "golden.png".into(),
        picture_vector: picture.vector.iter().take(8).copied().collect(),
        text: text_of.text.clone(),
        text_vector: text_of.vector.clone(),
        text_ids: text_of.ids.iter().take(kept).copied().collect(),
        cosine: Some(unit(&picture.vector).cosine(&unit(&text_of.vector))),
        min_agreement: 0.9995,
    };
    change(&mut golden);
    let mut manifest = fixture.model.manifest.clone();
    manifest.files.push(Fixture::listed("golden.png", &picture.bytes()));
    manifest.golden = Some(golden);
    let text = manifest.to_toml().unwrap();
    assert_eq!(Manifest::parse(&text).unwrap(), manifest);
    fs::write(fixture.folder.path().join("model.toml"), text).unwrap();
    Model::find(&format!("{}/", fixture.folder.path().display()), Path::new("models")).unwrap()
}

#[test]
fn a_model_that_agrees_with_its_reference_is_loaded_and_verified() {
    for family in SPEAKING {
        let fixture = imported(family);
        let model = with_golden(&fixture, |_| {});
        let report = verify(&model, &runtime()).unwrap();
        let compared: Vec<Compared> = report.checks.iter().map(|check| check.what).collect();
        assert_eq!(
            compared,
            [Compared::Picture, Compared::TextIds, Compared::Text, Compared::Cosine]
        );
        assert!(report.passed(), "{family}: {:?}", report.checks);
        model.image_encoder(&runtime(), 4).unwrap();
        model.text_encoder(&runtime()).unwrap();
    }
}

#[test]
fn a_model_without_golden_values_passes_nothing() {
    let report = verify(&imported("clip").model, &runtime()).unwrap();
    assert!(report.checks.is_empty() && !report.passed());
}

#[test]
fn a_model_that_disagrees_is_refused_when_it_is_loaded() {
    let fixture = imported("siglip2");
    let model = with_golden(&fixture, |golden| golden.picture_vector.reverse());
    let error = model.image_encoder(&runtime(), 1).err().unwrap();
    assert!(matches!(error, ModelError::Golden { .. }) && error.is_fatal(), "{error}");
    assert!(error.to_string().contains("picture vector: agreement"), "{error}");
    model.text_encoder(&runtime()).unwrap();

    let model = with_golden(&fixture, |golden| golden.text_ids[1] += 1);
    let error = model.text_encoder(&runtime()).err().unwrap();
    assert!(error.to_string().contains("token ids"), "{error}");
    let report = verify(&model, &runtime()).unwrap();
    assert!(
        !report.passed() && report.checks.iter().filter(|check| !check.passed()).count() == 1,
        "{report:?}"
    );

    let model = with_golden(&fixture, |golden| golden.text = String::from("a blue dog"));
    let report = verify(&model, &runtime()).unwrap();
    let failed: Vec<Compared> =
        report.checks.iter().filter(|check| !check.passed()).map(|check| check.what).collect();
    assert!(failed.contains(&Compared::TextIds) && failed.contains(&Compared::Text), "{report:?}");
}

/// A cosine would not notice a wrong length of a vector. The comparison does.
#[test]
fn vectors_that_are_not_of_unit_length_are_noticed() {
    let fixture = imported("clip");
    let vector = fixture.golden.pictures[0].vector.clone();
    let long: Vec<f32> = vector.iter().map(|value| value * 12.0).collect();
    assert!(unit(&long).cosine(&unit(&vector)) > 0.99999);
    assert!(agreement(&vector, &vector) > 0.99999);
    assert!(agreement(&long, &vector) < 0.9 && agreement(&vector, &long) < 0.9);
    let model = with_golden(&fixture, |golden| {
        golden.picture_vector.iter_mut().for_each(|value| *value *= 12.0)
    });
    assert!(matches!(model.image_encoder(&runtime(), 1).err(), Some(ModelError::Golden { .. })));
}

#[test]
fn a_damaged_golden_picture_is_a_damaged_file() {
    let fixture = imported("clip");
    let model = with_golden(&fixture, |_| {});
    fs::write(fixture.folder.path().join("golden.png"), b"no picture").unwrap();
    let error = Model::find(&format!("{}/", fixture.folder.path().display()), Path::new("models"))
        .unwrap_err();
    assert!(
        matches!(error, ModelError::File { .. }) && error.to_string().contains("golden.png"),
        "{error}"
    );
    let error = model.image_encoder(&runtime(), 1).err().unwrap();
    assert!(error.to_string().contains("is no usable picture"), "{error}");
}
