//! Which files may be uploaded, and under which key.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::settings::UploadSettings;

/// Media types that may be uploaded, each with its file name extensions.
pub(crate) const TYPES: [(&str, &[&str]); 7] = [
    ("image/jpeg", &["jpg", "jpeg"]),
    ("image/png", &["png"]),
    ("image/webp", &["webp"]),
    ("image/gif", &["gif"]),
    ("image/bmp", &["bmp"]),
    ("image/tiff", &["tif", "tiff"]),
    ("image/jxl", &["jxl"]),
];
const MAX_NAME_BYTES: usize = 512;

/// A file to upload.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UploadFile {
    /// Its name, with its folders if there are any.
    #[schema(example = "holiday/IMG_0042.jpg")]
    pub(super) name: String,
    /// Its exact size.
    pub(super) size_bytes: u64,
    /// One of the types that `/v1/status` lists.
    #[schema(example = "image/jpeg")]
    pub(super) content_type: String,
    /// When it was last changed, in milliseconds since 1970. Tells files of the same name and size
    /// apart.
    #[serde(default)]
    last_modified_ms: i64,
}

/// The key of a file. Before its extension stand eight hexadecimal digits, a hash of name, size and
/// date, so that another file of the same name gets another key.
///
/// # Errors
/// The reason why the file is refused.
pub(super) fn key_of(settings: &UploadSettings, file: &UploadFile) -> Result<String, String> {
    let allowed = TYPES.iter().find(|(name, _)| *name == file.content_type);
    let (_, extensions) = allowed
        .ok_or_else(|| format!("pictures of the type '{}' are not taken", file.content_type))?;
    if file.size_bytes == 0 {
        return Err("is empty".to_owned());
    }
    if file.size_bytes > settings.max_bytes {
        return Err(format!(
            "has {} bytes, at most {} are taken",
            file.size_bytes, settings.max_bytes
        ));
    }
    if file.name.len() > MAX_NAME_BYTES {
        return Err(format!("its name has more than {MAX_NAME_BYTES} bytes"));
    }
    if file.name.chars().any(|c| c.is_control() || c == '\\') {
        return Err("its name holds a character that names of objects should not have".to_owned());
    }
    let parts: Vec<_> =
        file.name.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect();
    let (name, folders) = parts.split_last().ok_or("has no name")?;
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    if stem.is_empty() || !extensions.contains(&extension.to_ascii_lowercase().as_str()) {
        return Err(format!(
            "a picture of the type '{}' is named *.{}",
            file.content_type,
            extensions.join(" or *.")
        ));
    }
    let identity = format!("{}\n{}\n{}", file.name, file.size_bytes, file.last_modified_ms);
    let digits = &blake3::hash(identity.as_bytes()).to_hex()[..8];
    let folders: String = folders.iter().map(|folder| format!("{folder}/")).collect();
    Ok(format!("{}{folders}{stem}-{digits}.{extension}", settings.prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> UploadSettings {
        UploadSettings { enabled: true, prefix: "uploads/".into(), max_bytes: 1000 }
    }

    fn file(name: &str, content_type: &str, size_bytes: u64) -> UploadFile {
        UploadFile {
            name: name.into(),
            size_bytes,
            content_type: content_type.into(),
            last_modified_ms: 7,
        }
    }

    #[test]
    fn a_file_has_one_key_and_another_of_its_name_has_another() {
        let key = |file: &UploadFile| key_of(&settings(), file).unwrap();
        let one = key(&file("holiday/IMG 1.JPG", "image/jpeg", 10));
        assert!(
            one.starts_with("uploads/holiday/IMG 1-") && one.ends_with(".JPG") && one.len() == 34,
            "{one}"
        );
        assert_eq!(one, key(&file("holiday/IMG 1.JPG", "image/jpeg", 10)));
        assert_ne!(one, key(&file("holiday/IMG 1.JPG", "image/jpeg", 11)));
        assert!(key(&file("/../.././海滩/夜.png", "image/png", 1)).starts_with("uploads/海滩/夜-"));
    }

    #[test]
    fn what_is_no_picture_or_too_large_is_refused_with_the_reason() {
        for (name, kind, size, reason) in [
            ("a.exe", "image/jpeg", 1, "*.jpg or *.jpeg"),
            ("a.svg", "image/svg+xml", 1, "type"),
            ("a.jpg", "image/jpeg", 0, "empty"),
            ("a.jpg", "image/jpeg", 1001, "at most 1000"),
            (".jpg", "image/jpeg", 1, "named"),
            ("..", "image/jpeg", 1, "no name"),
            ("a\n.jpg", "image/jpeg", 1, "character"),
            ("a\\b.jpg", "image/jpeg", 1, "character"),
        ] {
            let problem = key_of(&settings(), &file(name, kind, size)).unwrap_err();
            assert!(problem.contains(reason), "{name}: {problem}");
        }
        assert!(key_of(&settings(), &file(&"a".repeat(600), "image/jpeg", 1)).is_err());
    }
}
