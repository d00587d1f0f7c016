//! An imported model of these tests, with the values of its reference.

use std::fs;
use std::path::{Path, PathBuf};

use image::RgbImage;
use inference::{
    Detail, Embedding, ImageTower, Model, ModelFile, Picture, PictureLimits, Pixels, Precision,
    decode, import,
};
use serde::Deserialize;

/// All families. Each has an image tower.
pub(crate) const FAMILIES: [&str; 5] = ["clip", "immich", "chinese-clip", "siglip2", "dinov3"];
/// Families with a text tower.
pub(crate) const SPEAKING: [&str; 4] = ["clip", "immich", "chinese-clip", "siglip2"];

/// Least cosine with the reference's vector from the reference's own pixels or tokens.
pub(crate) const EXACT: f32 = 0.99999;
/// Least cosine with the reference's vector from the file of a picture.
pub(crate) const END_TO_END: f32 = 0.9995;

#[derive(Deserialize)]
pub(crate) struct Golden {
    pub(crate) pictures: Vec<GoldenPicture>,
    pub(crate) texts: Vec<GoldenText>,
}

#[derive(Deserialize)]
pub(crate) struct GoldenPicture {
    pub(crate) file: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) vector: Vec<f32>,
}

#[derive(Deserialize)]
pub(crate) struct GoldenText {
    pub(crate) text: String,
    pub(crate) ids: Vec<i64>,
    pub(crate) vector: Vec<f32>,
}

/// A folder that is removed after the test.
pub(crate) struct Folder {
    path: PathBuf,
    _root: tempfile::TempDir,
}

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

pub(crate) struct Fixture {
    pub(crate) folder: Folder,
    pub(crate) model: Model,
    pub(crate) golden: Golden,
    family: &'static str,
}

pub(crate) fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity")
}

/// The model as the importer reads it.
pub(crate) fn imported(family: &'static str) -> Fixture {
    changed(family, &[])
}

/// The imported model with a mistake in its manifest. Each pair is a text that must be there, and
/// its replacement.
pub(crate) fn changed(family: &'static str, replacements: &[(&str, &str)]) -> Fixture {
    with(family, Precision::Fp32, |mut text| {
        for (from, to) in replacements {
            assert!(text.contains(from), "{from} is not in the manifest:\n{text}");
            text = text.replacen(from, to, 1);
        }
        text
    })
}

/// The model imported in this precision, with a changed manifest.
pub(crate) fn with(
    family: &'static str,
    precision: Precision,
    change: impl FnOnce(String) -> String,
) -> Fixture {
    let folder = copy(family);
    let text = import::folder_as(folder.path(), precision).unwrap();
    fs::write(folder.path().join("model.toml"), change(text)).unwrap();
    let model = Model::find(&format!("{}/", folder.path().display()), Path::new("models")).unwrap();
    let golden = fs::read(home().join(family).join("golden/golden.json")).unwrap();
    let golden: Golden = serde_json::from_slice(&golden).unwrap();
    assert!(
        golden.pictures.len() >= 6 && (golden.texts.len() >= 11 || model.manifest.text.is_none())
    );
    Fixture { folder, model, golden, family }
}

/// A copy of a family's files in a folder of its name, without the values of the reference.
pub(crate) fn copy(family: &str) -> Folder {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join(family);
    fs::create_dir(&path).unwrap();
    copy_below(&home().join(family), &path);
    Folder { path, _root: root }
}

fn copy_below(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), target).unwrap();
        } else if entry.file_name() != "golden" {
            fs::create_dir(&target).unwrap();
            copy_below(&entry.path(), &target);
        }
    }
}

/// Decodes a picture file as in production.
pub(crate) fn open(bytes: &[u8]) -> Picture {
    decode(bytes, &PictureLimits::default(), Detail::Whole).unwrap()
}

pub(crate) fn unit(values: &[f32]) -> Embedding {
    Embedding::normalise(values.to_vec()).unwrap()
}

impl GoldenPicture {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        fs::read(home().join("pictures").join(&self.file)).unwrap()
    }

    pub(crate) fn picture(&self) -> Picture {
        let picture = open(&self.bytes());
        assert_eq!((picture.width, picture.height), (self.width, self.height), "{}", self.file);
        picture
    }

    pub(crate) fn is_lossy(&self) -> bool {
        self.file.ends_with(".jpg")
    }
}

impl Fixture {
    pub(crate) fn tower(&self) -> &ImageTower {
        self.model.manifest.image.as_ref().unwrap()
    }

    /// The pixels of the reference's processor: levels from 0 to 255, channel by channel.
    pub(crate) fn levels(&self, golden: &GoldenPicture) -> Vec<f32> {
        let stem = golden.file.split('.').next().unwrap();
        let folder = home().join(self.family).join("golden");
        let whole = image::open(folder.join(format!("{stem}.png"))).unwrap().to_rgb8();
        let fraction = image::open(folder.join(format!("{stem}.fraction.png")))
            .map(|fraction| fraction.to_rgb8());
        let fraction = fraction.unwrap_or_else(|_| RgbImage::new(whole.width(), whole.height()));
        let level = |(whole, part): (&u8, &u8)| f32::from(*whole) + f32::from(*part) / 256.0;
        let levels: Vec<f32> = whole.as_raw().iter().zip(fraction.as_raw()).map(level).collect();
        (0..3).flat_map(|channel| levels.iter().skip(channel).step_by(3).copied()).collect()
    }

    /// The reference's levels, normalised for its model.
    pub(crate) fn golden_pixels(&self, golden: &GoldenPicture) -> Pixels {
        let levels = self.levels(golden);
        let plane = levels.len() / 3;
        let ImageTower { mean, std, .. } = self.tower();
        let normalise = |(index, level): (usize, &f32)| {
            (level / 255.0 - mean[index / plane]) / std[index / plane]
        };
        Pixels { data: levels.iter().enumerate().map(normalise).collect() }
    }

    /// Our pixels as levels from 0 to 255.
    pub(crate) fn our_levels(&self, pixels: &Pixels) -> Vec<f32> {
        let plane = pixels.data.len() / 3;
        let ImageTower { mean, std, .. } = self.tower();
        let level = |(index, value): (usize, &f32)| {
            (value * std[index / plane] + mean[index / plane]) * 255.0
        };
        pixels.data.iter().enumerate().map(level).collect()
    }

    /// The manifest's entry for one more file.
    pub(crate) fn listed(path: &str, content: &[u8]) -> ModelFile {
        use sha2::Digest;
        let sha256 = hex::encode(sha2::Sha256::digest(content));
        ModelFile {
            path: path.into(),
            role: inference::FileRole::Golden,
            bytes: content.len() as u64,
            sha256,
        }
    }
}
