//! The camera's metadata: EXIF, as far as it can be read.

use std::panic::{AssertUnwindSafe, catch_unwind};

use exif::{DateTime, Exif, Field, In, Reader, Tag, Value};
use jiff::tz::Offset;
use jiff::{Timestamp, civil};

/// When, where and with which camera a picture was taken. Missing or broken fields are `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    /// When the picture was taken (`DateTimeOriginal` with `OffsetTimeOriginal`). Without an offset
    /// the camera's local time is read as UTC, so it may be wrong by up to 14 hours.
    pub taken_at: Option<Timestamp>,
    /// Minutes that the camera's clock was ahead of UTC (`OffsetTimeOriginal`). `None` where the
    /// file has no readable offset.
    pub taken_offset_minutes: Option<i16>,
    /// Maker and model, as in `Canon EOS 5D`, at most 100 characters.
    pub camera: Option<String>,
    /// Latitude (-90 to 90, north positive) and longitude (-180 to 180, east positive) in degrees,
    /// WGS 84.
    pub gps: Option<(f64, f64)>,
}

/// Longer names are cut, because they go into a table.
const MAX_CAMERA_CHARACTERS: usize = 100;

impl Metadata {
    /// Parses a TIFF structure with EXIF tags: an EXIF block or a TIFF file. Never fails and never
    /// panics.
    pub(super) fn parse(tiff: Vec<u8>) -> Metadata {
        let parse = || {
            let exif = Reader::new().continue_on_error(true).read_raw(tiff);
            exif.or_else(|error| error.distill_partial_result(|_| {}))
                .ok()
                .map(|exif| Metadata::of(&exif))
        };
        catch_unwind(AssertUnwindSafe(parse)).ok().flatten().unwrap_or_default()
    }

    fn of(exif: &Exif) -> Metadata {
        let (taken_at, taken_offset_minutes) =
            taken(exif).map_or((None, None), |(at, offset)| (Some(at), offset));
        Metadata { taken_at, taken_offset_minutes, camera: camera(exif), gps: gps(exif) }
    }
}

fn taken(exif: &Exif) -> Option<(Timestamp, Option<i16>)> {
    let mut time = DateTime::from_ascii(ascii(exif, Tag::DateTimeOriginal)?).ok()?;
    if let Some(offset) = ascii(exif, Tag::OffsetTimeOriginal) {
        // An unreadable offset counts as a missing one.
        let _ = time.parse_offset(offset);
    }
    let date = civil::Date::new(
        time.year.try_into().ok()?,
        time.month.try_into().ok()?,
        time.day.try_into().ok()?,
    )
    .ok()?;
    let clock = civil::Time::new(
        time.hour.try_into().ok()?,
        time.minute.try_into().ok()?,
        time.second.try_into().ok()?,
        0,
    )
    .ok()?;
    let offset = Offset::from_seconds(i32::from(time.offset.unwrap_or(0)) * 60).ok()?;
    Some((offset.to_timestamp(date.to_datetime(clock)).ok()?, time.offset))
}

fn camera(exif: &Exif) -> Option<String> {
    let make = text(exif, Tag::Make).unwrap_or_default();
    let model = text(exif, Tag::Model).unwrap_or_default();
    // Many models repeat their maker: "Canon" and "Canon EOS 5D".
    let repeated = model.to_lowercase().starts_with(&make.to_lowercase());
    let camera = if repeated { model } else { format!("{make} {model}") };
    let camera: String = camera.trim().chars().take(MAX_CAMERA_CHARACTERS).collect();
    (!camera.is_empty()).then_some(camera)
}

fn gps(exif: &Exif) -> Option<(f64, f64)> {
    let latitude = degrees(exif, Tag::GPSLatitude, Tag::GPSLatitudeRef, b'S')?;
    let longitude = degrees(exif, Tag::GPSLongitude, Tag::GPSLongitudeRef, b'W')?;
    (latitude.abs() <= 90.0 && longitude.abs() <= 180.0).then_some((latitude, longitude))
}

/// Degrees, minutes and seconds as one number of degrees. `None` where one is missing or has the
/// denominator 0.
fn degrees(exif: &Exif, tag: Tag, reference: Tag, negative: u8) -> Option<f64> {
    let Value::Rational(parts) = &exif.get_field(tag, In::PRIMARY)?.value else {
        return None;
    };
    let [degrees, minutes, seconds] = parts.get(..3)? else {
        return None;
    };
    let value = degrees.to_f64() + minutes.to_f64() / 60.0 + seconds.to_f64() / 3600.0;
    let negative = ascii(exif, reference)?.first() == Some(&negative);
    value.is_finite().then_some(if negative { -value } else { value })
}

fn ascii(exif: &Exif, tag: Tag) -> Option<&[u8]> {
    match exif.get_field(tag, In::PRIMARY) {
        Some(Field { value: Value::Ascii(texts), .. }) => texts.first().map(Vec::as_slice),
        _ => None,
    }
}

/// A text without control characters, trimmed.
fn text(exif: &Exif, tag: Tag) -> Option<String> {
    let text = String::from_utf8_lossy(ascii(exif, tag)?);
    Some(text.chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned())
}
