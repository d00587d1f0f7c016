//! The preprocessing of pictures, from the folder's configuration.

use serde_json::Value;

use super::configs::{PictureConfig, PictureDialect};
use crate::manifest::{ImageTower, ResampleFilter, ResizeMode};

/// Overrides the pattern's tower with the folder's configuration.
///
/// Extra inputs stay as they are. Only graphs that hold both towers have them, and those of the
/// image tower stand for a text.
pub(super) fn apply(
    tower: &mut ImageTower,
    config: &PictureConfig,
    notes: &mut Vec<String>,
) -> Result<(), String> {
    let PictureConfig { file, dialect, settings } = config;
    if settings.is_null() {
        notes.push(String::from(
            "The configuration of the preprocessing was not found: \
             everything in [image] is the pattern's, check size, resize, filter, mean and std.",
        ));
        return Ok(());
    }
    let (mean, std) = match dialect {
        PictureDialect::Transformers => {
            transformers(tower, file, settings)?;
            ("image_mean", "image_std")
        }
        PictureDialect::OpenClip => {
            open_clip(tower, file, settings)?;
            ("mean", "std")
        }
    };
    if settings.get("do_normalize").and_then(Value::as_bool) == Some(false) {
        (tower.mean, tower.std) = ([0.0; 3], [1.0; 3]);
    } else {
        for (key, values) in [(mean, &mut tower.mean), (std, &mut tower.std)] {
            match three(settings.get(key)) {
                Some(found) => *values = found,
                None => notes.push(format!(
                    "The preprocessing has no `{key}`: that of the pattern was taken, check it."
                )),
            }
        }
    }
    Ok(())
}

fn transformers(tower: &mut ImageTower, file: &str, config: &Value) -> Result<(), String> {
    let is_set = |key: &str| config.get(key).and_then(Value::as_bool);
    let crops = is_set("do_center_crop") == Some(true);
    let size = config.get("size").unwrap_or(&Value::Null);
    let shortest =
        side(size.get("shortest_edge")).or_else(|| if crops { side(Some(size)) } else { None });
    let both = side(size.get("width"))
        .zip(side(size.get("height")))
        .or_else(|| side(Some(size)).map(|side| (side, side)));
    match (shortest, both) {
        (Some(shortest), _) if crops => {
            let crop = config.get("crop_size");
            let width = side(crop.and_then(|crop| crop.get("width")))
                .or_else(|| side(crop))
                .unwrap_or(shortest);
            let height = side(crop.and_then(|crop| crop.get("height"))).unwrap_or(width);
            (tower.resize, tower.width, tower.height) = (ResizeMode::ShortestCrop, width, height);
            tower.resize_to = if shortest == width { 0 } else { shortest };
        }
        (_, Some((width, height))) => {
            let crop = config.get("crop_size").filter(|crop| crops && !crop.is_null());
            if crop.is_some_and(|crop| side(crop.get("width")).or(side(Some(crop))) != Some(width))
            {
                return Err(format!(
                    "{file} cuts the size {size} to another one, \
                     which is not supported: write a model.toml by hand"
                ));
            }
            (tower.resize, tower.width, tower.height, tower.resize_to) =
                (ResizeMode::Squash, width, height, 0);
        }
        _ => {
            return Err(format!(
                "{file} has the size {size} without a crop, \
                 which gives no pictures of one size: write a model.toml by hand"
            ));
        }
    }
    if let Some(resample) = config.get("resample").and_then(Value::as_u64) {
        // The numbers of Pillow's Image.Resampling.
        tower.filter = match resample {
            1 => ResampleFilter::Lanczos,
            2 => ResampleFilter::Bilinear,
            3 => ResampleFilter::Bicubic,
            other => {
                return Err(format!(
                    "{file} asks for the resampling {other}, \
                     which is not supported"
                ));
            }
        };
    }
    if is_set("do_rescale") == Some(false) {
        tower.scale = 1.0;
    } else if let Some(scale) = config.get("rescale_factor").and_then(Value::as_f64) {
        tower.scale = scale as f32;
    }
    Ok(())
}

fn open_clip(tower: &mut ImageTower, file: &str, config: &Value) -> Result<(), String> {
    let size = config.get("size").unwrap_or(&Value::Null);
    let pair = side(size.get(0)).zip(side(size.get(1))).map(|(height, width)| (width, height));
    let (width, height) = side(Some(size)).map(|side| (side, side)).or(pair).ok_or_else(|| {
        format!(
            "{file} has the size {size}, and one side or two are needed: \
             write a model.toml by hand"
        )
    })?;
    (tower.width, tower.height, tower.resize_to) = (width, height, 0);
    let text = |key: &str| config.get(key).and_then(Value::as_str);
    tower.resize = match text("resize_mode") {
        Some("squash") => ResizeMode::Squash,
        Some("shortest") | None => ResizeMode::ShortestCrop,
        Some(other) => {
            return Err(format!("{file} has the resize_mode `{other}`, which is not supported"));
        }
    };
    tower.filter = match text("interpolation") {
        Some("bilinear") => ResampleFilter::Bilinear,
        Some("bicubic") | None => ResampleFilter::Bicubic,
        Some(other) => {
            return Err(format!("{file} has the interpolation `{other}`, which is not supported"));
        }
    };
    Ok(())
}

/// A number of pixels.
fn side(value: Option<&Value>) -> Option<u32> {
    u32::try_from(value?.as_u64()?).ok()
}

fn three(value: Option<&Value>) -> Option<[f32; 3]> {
    let values: Option<Vec<f32>> =
        value?.as_array()?.iter().map(|value| value.as_f64().map(|value| value as f32)).collect();
    values?.try_into().ok()
}
