//! `POST /v1/search` with a form. The number of its fields and the length of each text are bounded
//! while they are read; a picture is bounded by the body.

use axum::body::Bytes;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde::de::value::{Error as ValueError, StrDeserializer};
use utoipa::ToSchema;

use super::body::{SearchBody, default_top_k};
use super::example::{Example, MAX_EXAMPLES, MAX_ID_BYTES, MAX_TEXT_BYTES};
use super::search_query::SearchQuery;
use crate::linked::MAX_URL_BYTES;
use crate::problem::{Problem, read_json};
use crate::seal::MAX_SEALED_BYTES;

/// Most fields of a form; there are far fewer with different names.
const MAX_FIELDS: usize = 32;
/// Most bytes of a field that holds JSON.
const MAX_JSON_BYTES: usize = 64 << 10;
/// Most bytes of a number or a word.
const MAX_WORD_BYTES: usize = 64;

/// A form: the fields of the JSON body as text, pictures as files, `filter` and `weights` as JSON.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it only documents what from_form reads")]
pub(crate) struct SearchForm {
    /// Pictures.
    #[schema(content_media_type = "image/*")]
    image: Option<Vec<u8>>,
    /// Words.
    text: Option<String>,
    /// The address of a picture.
    image_url: Option<String>,
    /// Id of an indexed picture.
    image_id: Option<String>,
    /// Hits of a page.
    top_k: Option<usize>,
    /// JSON, at most 64 KiB.
    filter: Option<String>,
    /// JSON, at most 64 KiB.
    weights: Option<String>,
}

impl SearchQuery {
    /// Reads a form.
    ///
    /// # Errors
    /// It is no form, has too many fields or an unknown one, or a field is wrong.
    pub(crate) async fn from_form(mut form: Multipart) -> Result<Self, Problem> {
        let mut body = SearchBody { top_k: default_top_k(), ..SearchBody::default() };
        let (mut examples, mut fields) = (Vec::new(), 0);
        // One example too many is enough to refuse the form; reading the rest would cost memory.
        while examples.len() <= MAX_EXAMPLES
            && let Some(field) =
                form.next_field().await.map_err(|error| unreadable("body", &error))?
        {
            fields += 1;
            if fields > MAX_FIELDS {
                let detail = format!("has more than {MAX_FIELDS} fields");
                return Err(Problem::field("body", detail));
            }
            match field.name().unwrap_or_default() {
                "image" | "text" | "image_url" | "image_id" => {
                    examples.push((read_example(field).await?, 1.0));
                }
                _ => read_option(field, &mut body).await?,
            }
        }
        body.into_query(examples, "image")
    }
}

async fn read_example(field: Field<'_>) -> Result<Example, Problem> {
    let name = field.name().unwrap_or_default().to_owned();
    Ok(match name.as_str() {
        "image" => Example::Image(bytes(field, &name).await?),
        "image_url" => Example::image_url(&text(field, &name, MAX_URL_BYTES).await?)?,
        "image_id" => Example::ImageId(text(field, &name, MAX_ID_BYTES).await?),
        _ => Example::Text(text(field, &name, MAX_TEXT_BYTES).await?),
    })
}

async fn read_option(field: Field<'_>, body: &mut SearchBody) -> Result<(), Problem> {
    let name = field.name().unwrap_or_default().to_owned();
    match name.as_str() {
        "top_k" => body.top_k = number(field, &name).await?,
        "offset" => body.offset = number(field, &name).await?,
        "cursor" => body.cursor = Some(text(field, &name, MAX_SEALED_BYTES).await?),
        "min_score" => body.min_score = Some(number(field, &name).await?),
        "filter" => body.filter = json(field, &name).await?,
        "weights" => body.weights = Some(json(field, &name).await?),
        "collapse" => body.collapse = word(field, &name).await?,
        "fusion" => body.fusion = word(field, &name).await?,
        "cutoff" => body.cutoff = word(field, &name).await?,
        "sort" => body.sort = word(field, &name).await?,
        _ => return Err(Problem::field(name, "is not a field of this form")),
    }
    Ok(())
}

/// The form is too large, or it is no form.
fn unreadable(field: &str, error: &MultipartError) -> Problem {
    match error.status() {
        StatusCode::BAD_REQUEST => Problem::field(field, error.body_text()),
        status => Problem::new(status, error.body_text()),
    }
}

async fn bytes(field: Field<'_>, name: &str) -> Result<Bytes, Problem> {
    field.bytes().await.map_err(|error| unreadable(name, &error))
}

/// The text of a field, of which no more than `most` bytes are held.
async fn text(mut field: Field<'_>, name: &str, most: usize) -> Result<String, Problem> {
    let mut text = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| unreadable(name, &error))? {
        if text.len() + chunk.len() > most {
            return Err(Problem::field(name, format!("is longer than {most} bytes")));
        }
        text.extend_from_slice(&chunk);
    }
    String::from_utf8(text).map_err(|_| Problem::field(name, "is not UTF-8"))
}

async fn json<T: DeserializeOwned>(field: Field<'_>, name: &str) -> Result<T, Problem> {
    let text = text(field, name, MAX_JSON_BYTES).await?;
    read_json(text.as_bytes(), &format!("{name}."))
}

async fn number<T: std::str::FromStr>(field: Field<'_>, name: &str) -> Result<T, Problem>
where
    T::Err: std::fmt::Display,
{
    let text = text(field, name, MAX_WORD_BYTES).await?;
    text.trim().parse().map_err(|error| Problem::field(name, error))
}

/// A value of an enum.
async fn word<T: DeserializeOwned>(field: Field<'_>, name: &str) -> Result<T, Problem> {
    let text = text(field, name, MAX_WORD_BYTES).await?;
    let reader = StrDeserializer::<ValueError>::new(text.trim());
    T::deserialize(reader).map_err(|error| Problem::field(name, error))
}
