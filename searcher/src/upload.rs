//! `POST /v1/uploads`: links with which a browser puts pictures straight into the bucket. A link is
//! good for one key, one size and one type, and never overwrites what is there.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use pipeline::ImageId;
use serde::{Deserialize, Serialize};
use table::captions::Captions;
use table::embeddings::Embeddings;
use utoipa::{IntoParams, ToSchema};

use crate::UploadSettings;
use crate::api::{App, query_string_problem};
use crate::problem::{self, Problem, ProblemBody, read_json};

/// What may be uploaded: types, and the endings of names that go with them.
pub(crate) const TYPES: [(&str, &[&str]); 7] = [
    ("image/jpeg", &["jpg", "jpeg"]),
    ("image/png", &["png"]),
    ("image/webp", &["webp"]),
    ("image/gif", &["gif"]),
    ("image/bmp", &["bmp"]),
    ("image/tiff", &["tif", "tiff"]),
    ("image/jxl", &["jxl"]),
];
/// Links per request.
pub(crate) const MOST_FILES: usize = 100;
const MOST_NAME_BYTES: usize = 512;
const LINK_LIFETIME: Duration = Duration::from_secs(3600);

/// Files that somebody wants to put into the bucket.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// At most 100.
    files: Vec<File>,
}

/// One file.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// Its name, with folders before it where there are any.
    #[schema(example = "holiday/IMG_0042.jpg")]
    name: String,
    /// Its exact size.
    size_bytes: u64,
    /// Its type, one of those that `/v1/status` names.
    #[schema(example = "image/jpeg")]
    content_type: String,
    /// When it was changed last, in milliseconds since 1970. With name and size it tells files of
    /// one name apart.
    #[serde(default)]
    last_modified_ms: i64,
}

/// One answer for each file, in the order in which they were named.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Uploads {
    uploads: Vec<Upload>,
}

/// How to put a file into the bucket, or why not.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Upload {
    /// Send the bytes with this method and exactly these headers. 412 means that this file is there
    /// already.
    Link(Link),
    /// The file is refused.
    Refused {
        /// As it was asked for.
        name: String,
        /// Why.
        problem: String,
    },
}

/// A link that works until `expires_at`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Link {
    /// As it was asked for.
    name: String,
    /// Key the object will have. The same file gets the same key whenever it is asked for.
    key: String,
    #[schema(example = "PUT")]
    method: String,
    url: String,
    /// To be sent as they are.
    headers: std::collections::BTreeMap<String, String>,
    expires_at: Timestamp,
}

/// Hands out links. Nothing is written yet.
#[utoipa::path(post, path = "/v1/uploads", tag = "upload", request_body = Wanted, responses(
    (status = 200, body = Uploads),
    (status = 400, body = ProblemBody, description = "the request is wrong"),
))]
pub(crate) async fn uploads(
    State(app): State<Arc<App>>,
    body: Bytes,
) -> Result<Json<Uploads>, Problem> {
    let settings = enabled(&app)?;
    let wanted: Wanted = read_json(&body, "")?;
    if !(1..=MOST_FILES).contains(&wanted.files.len()) {
        return Err(Problem::field("files", format!("must name 1 to {MOST_FILES} files")));
    }
    let mut uploads = Vec::new();
    for file in wanted.files {
        uploads.push(match key_of(settings, &file) {
            Ok(key) => Upload::Link(link(&app, key, file).await?),
            Err(problem) => Upload::Refused { name: file.name, problem },
        });
    }
    Ok(Json(Uploads { uploads }))
}

fn enabled(app: &App) -> Result<&UploadSettings, Problem> {
    let off = || {
        Problem::new(
            StatusCode::FORBIDDEN,
            "uploads are switched off: set upload.enabled of the searcher",
        )
    };
    Some(&app.upload).filter(|settings| settings.enabled).ok_or_else(off)
}

async fn link(app: &App, key: String, file: File) -> Result<Link, Problem> {
    let signed =
        app.bucket.presigned_put(&key, &file.content_type, file.size_bytes, LINK_LIFETIME).await;
    let url =
        signed.map_err(|error| Problem::unavailable("no link for an upload can be made", error))?;
    let headers = [("content-type", file.content_type.as_str()), ("if-none-match", "*")];
    Ok(Link {
        name: file.name,
        key,
        method: "PUT".to_owned(),
        url,
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        expires_at: Timestamp::now() + LINK_LIFETIME,
    })
}

/// The key of a file, or why it is refused. Between name and ending stand eight digits of what
/// tells it from others of its name.
fn key_of(settings: &UploadSettings, file: &File) -> Result<String, String> {
    let allowed = TYPES.iter().find(|(name, _)| *name == file.content_type);
    let (_, endings) = allowed
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
    if file.name.len() > MOST_NAME_BYTES {
        return Err(format!("its name has more than {MOST_NAME_BYTES} bytes"));
    }
    if file.name.chars().any(|c| c.is_control() || c == '\\') {
        return Err("its name holds a character that names of objects should not have".to_owned());
    }
    let parts: Vec<_> =
        file.name.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect();
    let (name, folders) = parts.split_last().ok_or("has no name")?;
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    if stem.is_empty() || !endings.contains(&ending.to_ascii_lowercase().as_str()) {
        return Err(format!(
            "a picture of the type '{}' is named *.{}",
            file.content_type,
            endings.join(" or *.")
        ));
    }
    let told_apart = format!("{}\n{}\n{}", file.name, file.size_bytes, file.last_modified_ms);
    let mark = &blake3::hash(told_apart.as_bytes()).to_hex()[..8];
    let folders: String = folders.iter().map(|folder| format!("{folder}/")).collect();
    Ok(format!("{}{folders}{stem}-{mark}.{ending}", settings.prefix))
}

/// An uploaded object.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Its key.
    key: String,
}

/// Whether an uploaded object is there, and whether it is found by searches.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Object {
    key: String,
    image_id: String,
    /// Whether searches find it.
    indexed: bool,
}

/// What has become of an upload.
#[utoipa::path(get, path = "/v1/objects", tag = "upload", params(Which), responses(
    (status = 200, body = Object),
    (status = 400, body = ProblemBody, description = "the key is wrong"),
    (status = 404, body = ProblemBody, description = "there is no such object"),
))]
pub(crate) async fn object(
    State(app): State<Arc<App>>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Object>, Problem> {
    let settings = enabled(&app)?;
    let Query(Which { key }) = which.map_err(|rejection| query_string_problem(&rejection))?;
    // Nobody shall learn here what else is in the bucket.
    if !key.starts_with(&settings.prefix) || key.len() > 1024 {
        return Err(Problem::field("key", format!("must begin with '{}'", settings.prefix)));
    }
    let found = app
        .bucket
        .head(&key)
        .await
        .map_err(|error| Problem::unavailable("the bucket cannot be asked", error))?;
    let found = found
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "there is no object under this key"))?;
    let image_id = ImageId::of(&found.bucket, &key, &found.etag).to_string();
    let served = app.engine.served();
    let embeddings =
        app.engine.table(&served).await.map_err(problem::tables)?.map(Embeddings::ledger);
    let ledger = match (embeddings, served.model()) {
        (None, None) => app.engine.captions().await.map_err(problem::tables)?.map(Captions::ledger),
        (ledger, _) => ledger,
    };
    let indexed = match ledger {
        Some(ledger) => !ledger
            .existing(std::slice::from_ref(&image_id))
            .await
            .map_err(problem::tables)?
            .is_empty(),
        None => false,
    };
    Ok(Json(Object { key, image_id, indexed }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> UploadSettings {
        UploadSettings { enabled: true, prefix: "uploads/".into(), max_bytes: 1000 }
    }

    fn file(name: &str, content_type: &str, size_bytes: u64) -> File {
        File {
            name: name.into(),
            size_bytes,
            content_type: content_type.into(),
            last_modified_ms: 7,
        }
    }

    #[test]
    fn a_file_has_one_key_and_another_of_its_name_has_another() {
        let key = |file: &File| key_of(&settings(), file).unwrap();
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
