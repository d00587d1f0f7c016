//! Checks the checks: common mistakes must fall below the gates.

use image::imageops::FilterType;
use inference::Picture;

use crate::fixture::{END_TO_END, FAMILIES, Fixture, changed, imported, open, unit};
use crate::runtime::runtime;

/// Cosines of texts with the reference's vectors.
fn text_cosines(fixture: &Fixture) -> Vec<f32> {
    let encoder = fixture.model.text_encoder(&runtime()).unwrap();
    let cosine = |golden: &crate::fixture::GoldenText| {
        let ours = encoder.encode(std::slice::from_ref(&golden.text)).unwrap().remove(0);
        ours.cosine(&unit(&golden.vector))
    };
    fixture.golden.texts.iter().map(cosine).collect()
}

/// Cosines of pictures with the reference's vectors, after a change to the picture.
fn picture_cosines(fixture: &Fixture, change: impl Fn(Picture) -> Picture) -> Vec<(String, f32)> {
    let encoder = fixture.model.image_encoder(&runtime(), 1).unwrap();
    let cosine = |golden: &crate::fixture::GoldenPicture| {
        let ours = encoder.encode(&[encoder.prepare(&change(golden.picture()))]).unwrap().remove(0);
        (golden.file.clone(), ours.cosine(&unit(&golden.vector)))
    };
    fixture.golden.pictures.iter().map(cosine).collect()
}

fn assert_all_below(what: &str, cosines: &[(String, f32)]) {
    for (file, cosine) in cosines {
        assert!(*cosine < END_TO_END, "{what} {file}: {cosine}");
    }
}

/// Number of texts that are shorter than their padded row, where padding can matter.
fn padded(fixture: &Fixture, pad: i64) -> usize {
    fixture.golden.texts.iter().filter(|golden| golden.ids.last() == Some(&pad)).count()
}

#[test]
fn a_wrong_padding_id_is_noticed() {
    let fixture = changed("siglip2", &[("pad_id = 0", "pad_id = 1")]);
    let wrong = text_cosines(&fixture).into_iter().filter(|cosine| *cosine < END_TO_END).count();
    // The longest text has no padding.
    assert!(padded(&fixture, 0) >= 9);
    assert_eq!(wrong, padded(&fixture, 0), "{:?}", text_cosines(&fixture));
}

#[test]
fn a_missing_mask_is_noticed() {
    // All ones instead of the mask, over rows that are padded.
    let mask = "[[text.extra_inputs]]\nname = \"attention_mask\"\nshape = [-1, 52]\nfill = 1.0\n\n\
                [[text.extra_inputs]]";
    let fixture = changed(
        "chinese-clip",
        &[
            ("mask_input = \"attention_mask\"\n", ""),
            ("max_len = 52", "max_len = 52\npad_to = 52"),
            ("[[text.extra_inputs]]", mask),
        ],
    );
    let short: Vec<bool> =
        fixture.golden.texts.iter().map(|golden| golden.ids.len() < 52).collect();
    let cosines = text_cosines(&fixture);
    println!("{cosines:?}");
    assert!(short.iter().filter(|short| **short).count() >= 9);
    for (cosine, short) in cosines.iter().zip(short) {
        assert_eq!(*cosine < END_TO_END, short, "{cosines:?}");
    }
}

#[test]
fn text_that_is_not_made_lower_case_is_noticed() {
    let fixture = changed("siglip2", &[("lowercase = true", "lowercase = false")]);
    let encoder = fixture.model.text_encoder(&runtime()).unwrap();
    let golden =
        fixture.golden.texts.iter().find(|golden| golden.text.starts_with("UPPER")).unwrap();
    assert_ne!(encoder.token_ids(&golden.text).unwrap(), golden.ids);
}

#[test]
fn swapped_colours_are_noticed() {
    for family in FAMILIES {
        let cosines = picture_cosines(&imported(family), |mut picture| {
            picture.rgb.pixels_mut().for_each(|pixel| pixel.0.reverse());
            picture
        });
        assert_all_below(family, &cosines);
    }
}

#[test]
fn resizing_without_antialiasing_is_noticed() {
    for family in ["siglip2", "chinese-clip", "dinov3"] {
        let fixture = imported(family);
        let (width, height) = (fixture.tower().width, fixture.tower().height);
        let cosines = picture_cosines(&fixture, |mut picture| {
            picture.rgb = image::imageops::resize(&picture.rgb, width, height, FilterType::Nearest);
            picture
        });
        // Antialiasing changes only pictures that shrink.
        let shrunk: Vec<_> = cosines.into_iter().filter(|(file, _)| file != "small.png").collect();
        assert_eq!(shrunk.len(), 5);
        assert_all_below(family, &shrunk);
    }
}

#[test]
fn an_ignored_orientation_is_noticed() {
    for family in FAMILIES {
        let fixture = imported(family);
        let golden =
            fixture.golden.pictures.iter().find(|golden| golden.file == "turned.jpg").unwrap();
        let lying = open(&without_exif(&golden.bytes()));
        assert_eq!((lying.width, lying.height), (golden.height, golden.width));
        let cosines = picture_cosines(&fixture, |picture| {
            if picture.orientation == 6 { lying.clone() } else { picture }
        });
        let turned: Vec<_> = cosines.into_iter().filter(|(file, _)| file == "turned.jpg").collect();
        assert_all_below(family, &turned);
    }
}

/// A JPEG without its first APP1 segment, which holds the orientation.
fn without_exif(jpeg: &[u8]) -> Vec<u8> {
    let start = jpeg.windows(2).position(|marker| marker == [0xff, 0xe1]).unwrap();
    let length = usize::from(u16::from_be_bytes([jpeg[start + 2], jpeg[start + 3]]));
    [&jpeg[..start], &jpeg[start + 2 + length..]].concat()
}

#[test]
fn wrong_shape_and_wrong_normalisation_are_noticed() {
    for (family, from, to) in [
        ("clip", "resize = \"shortest_crop\"", "resize = \"squash\""),
        ("siglip2", "resize = \"squash\"", "resize = \"shortest_crop\""),
    ] {
        let cosines = picture_cosines(&changed(family, &[(from, to)]), |picture| picture);
        assert_all_below(to, &cosines);
    }
    let fixture = changed("siglip2", &[("mean = [0.5, 0.5, 0.5]", "mean = [0.0, 0.0, 0.0]")]);
    assert_all_below("mean", &picture_cosines(&fixture, |picture| picture));
}

/// A vector says little about the filter, so the pixels are compared.
#[test]
fn another_filter_is_noticed() {
    for (family, from, to) in [
        ("siglip2", "filter = \"bilinear\"", "filter = \"bicubic\""),
        ("clip", "filter = \"bicubic\"", "filter = \"bilinear\""),
    ] {
        let fixture = changed(family, &[(from, to)]);
        let encoder = fixture.model.image_encoder(&runtime(), 1).unwrap();
        for golden in &fixture.golden.pictures {
            let ours = fixture.our_levels(&encoder.prepare(&golden.picture()));
            let apart = ours.iter().zip(fixture.levels(golden)).map(|(a, b)| (a - b).abs());
            let most = apart.fold(0.0, f32::max);
            assert!(most > 2.0, "{family} {}: {most}", golden.file);
        }
    }
}
