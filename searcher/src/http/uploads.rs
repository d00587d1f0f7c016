//! `POST /v1/uploads`: presigned links with which a browser puts pictures straight into the bucket.
//! A link works for one key, one size and one type, and never overwrites an object.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::app::App;
use super::upload_key::{UploadFile, key_of};
use crate::problem::{Problem, ProblemBody, read_json};
use crate::settings::UploadSettings;

/// Maximum number of links per request.
pub(super) const MAX_FILES: usize = 100;
const LINK_LIFETIME: Duration = Duration::from_secs(3600);

/// Files to put into the bucket.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UploadRequest {
    /// At most 100.
    files: Vec<UploadFile>,
}

/// One answer for each file, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UploadAnswers {
    uploads: Vec<UploadAnswer>,
}

/// How to put a file into the bucket, or why not.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum UploadAnswer {
    /// Send the bytes with this method and exactly these headers. 412 means that this file has been
    /// uploaded already.
    Link(UploadLink),
    /// The file is refused.
    Refused {
        /// As in the request.
        name: String,
        /// Why.
        problem: String,
    },
}

/// A link that works until `expires_at`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UploadLink {
    /// As in the request.
    name: String,
    /// Key of the object. The same file always gets the same key.
    key: String,
    #[schema(example = "PUT")]
    method: String,
    url: String,
    /// Send them as they are.
    headers: BTreeMap<String, String>,
    expires_at: Timestamp,
}

/// Makes links for uploads. Nothing is written to the bucket yet.
#[utoipa::path(post, path = "/v1/uploads", tag = "upload", request_body = UploadRequest, responses(
    (status = 200, body = UploadAnswers),
    (status = 400, body = ProblemBody, description = "the request is wrong"),
))]
pub(crate) async fn uploads(
    State(app): State<Arc<App>>,
    body: Bytes,
) -> Result<Json<UploadAnswers>, Problem> {
    let settings = enabled(&app)?;
    let request: UploadRequest = read_json(&body, "")?;
    if !(1..=MAX_FILES).contains(&request.files.len()) {
        return Err(Problem::field("files", format!("must name 1 to {MAX_FILES} files")));
    }
    let mut uploads = Vec::new();
    for file in request.files {
        uploads.push(match key_of(settings, &file) {
            Ok(key) => UploadAnswer::Link(link(&app, key, file).await?),
            Err(problem) => UploadAnswer::Refused { name: file.name, problem },
        });
    }
    Ok(Json(UploadAnswers { uploads }))
}

/// The settings of uploads.
///
/// # Errors
/// 403: uploads are switched off.
pub(super) fn enabled(app: &App) -> Result<&UploadSettings, Problem> {
    let off = || {
        Problem::new(
            StatusCode::FORBIDDEN,
            "uploads are switched off: set upload.enabled of the searcher",
        )
    };
    Some(&app.upload).filter(|settings| settings.enabled).ok_or_else(off)
}

async fn link(app: &App, key: String, file: UploadFile) -> Result<UploadLink, Problem> {
    let signed =
        app.bucket.presigned_put(&key, &file.content_type, file.size_bytes, LINK_LIFETIME).await;
    let url =
        signed.map_err(|error| Problem::unavailable("no link for an upload can be made", error))?;
    let headers = [("content-type", file.content_type.as_str()), ("if-none-match", "*")];
    Ok(UploadLink {
        name: file.name,
        key,
        method: "PUT".to_owned(),
        url,
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        expires_at: Timestamp::now() + LINK_LIFETIME,
    })
}
