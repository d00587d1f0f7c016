//! Keywords of the demo model's own pictures: most of what they show is found, and little else.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod runtime;

use std::fs;
use std::path::Path;

use inference::keywords::{Tagger, Term, term};
use inference::{Detail, Embedding, ImageEncoder, Model, Picture, PictureLimits, decode};
use runtime::runtime;

/// The terms of the vocabulary that the demo model was trained on.
const KNOWN: &str = "red orange yellow green blue purple white black \
                     car house tree cat fish boat balloon flower star ball \
                     beach forest city mountain desert daytime sunset night";
/// The content of each picture: object, colour, place and time.
const PICTURES: &[(&str, [&str; 3])] = &[
    ("ball", ["purple", "desert", "daytime"]),
    ("boat", ["green", "forest", "night"]),
    ("car", ["red", "beach", "sunset"]),
    ("cat", ["black", "city", "daytime"]),
    ("flower", ["white", "mountain", "sunset"]),
    ("star", ["yellow", "mountain", "night"]),
];

fn picture(name: &str) -> Picture {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("models/demo-clip/golden/{name}.png"));
    decode(&fs::read(path).unwrap(), &PictureLimits::default(), Detail::Whole).unwrap()
}

fn embed(encoder: &ImageEncoder, picture: &Picture) -> Embedding {
    encoder.encode(&[encoder.prepare(picture)]).unwrap().remove(0)
}

/// 72 pictures of the same kind: the six pictures with their channels in all orders, in two
/// brightnesses.
fn background(encoder: &ImageEncoder) -> Vec<Vec<f32>> {
    let mut vectors = Vec::new();
    for (name, _) in PICTURES {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            for darker in [1, 2] {
                let mut changed = picture(name);
                changed.rgb.pixels_mut().for_each(|pixel| {
                    pixel.0 = order.map(|channel: usize| pixel.0[channel] / darker)
                });
                vectors.push(embed(encoder, &changed).into_vec());
            }
        }
    }
    vectors
}

fn languages(codes: &[&str]) -> Vec<String> {
    codes.iter().map(|code| (*code).to_owned()).collect()
}

#[test]
fn what_the_demo_pictures_show_is_found() {
    let model = Model::find("demo-clip", Path::new("models")).unwrap();
    let (images, texts) =
        (model.image_encoder(&runtime(), 8).unwrap(), model.text_encoder(&runtime()).unwrap());
    let known: Vec<Term> = KNOWN.split_whitespace().map(|name| term(name).unwrap()).collect();
    let background = background(&images);
    for languages in [languages(&["en"]), languages(&["zh"]), languages(&["en", "zh"])] {
        let tagger =
            Tagger::new(&texts, &languages, &background).unwrap().only(&known).with_threshold(2.0);
        assert!(tagger.is_ready());
        let (mut found, mut wrong, mut seen) = (0, 0, Vec::new());
        for (object, others) in PICTURES {
            let tags = tagger.tags(&embed(&images, &picture(object)), 12);
            let right =
                tags.iter().filter(|tag| tag.en == *object || others.contains(&tag.en)).count();
            (found, wrong) = (found + right, wrong + tags.len() - right);
            seen.push((*object, tags));
        }
        assert!(
            found >= 10 && wrong <= 4,
            "{languages:?}: {found} of 24 found, {wrong} wrong: {seen:?}"
        );
    }
}

#[test]
fn without_pictures_there_are_no_tags() {
    let model = Model::find("demo-clip", Path::new("models")).unwrap();
    let (images, texts) =
        (model.image_encoder(&runtime(), 8).unwrap(), model.text_encoder(&runtime()).unwrap());
    let tagger = Tagger::new(&texts, &languages(&["en", "zh"]), &[]).unwrap();
    assert!(!tagger.is_ready() && tagger.tags(&embed(&images, &picture("cat")), 12).is_empty());
}
