//! `POST /v1/search` with a form.

use axum::body::Bytes;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde::de::value::{Error as ValueError, StrDeserializer};
use utoipa::ToSchema;

use super::body::{SearchBody, default_top_k};
use super::example::{Example, MAX_EXAMPLES};
use super::search_query::SearchQuery;
use crate::problem::{Problem, read_json};

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
    /// JSON.
    filter: Option<String>,
    /// JSON.
    weights: Option<String>,
}

impl SearchQuery {
    /// Reads a form.
    ///
    /// # Errors
    /// It is no form, has an unknown field, or a field is wrong.
    pub(crate) async fn from_form(mut form: Multipart) -> Result<Self, Problem> {
        let mut body = SearchBody { top_k: default_top_k(), ..SearchBody::default() };
        let mut examples = Vec::new();
        // One example too many is enough to refuse the form; reading the rest would cost memory.
        while examples.len() <= MAX_EXAMPLES
            && let Some(field) =
                form.next_field().await.map_err(|error| unreadable("body", &error))?
        {
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
        "image_url" => Example::image_url(&text(field, &name).await?)?,
        "image_id" => Example::ImageId(text(field, &name).await?),
        _ => Example::Text(text(field, &name).await?),
    })
}

async fn read_option(field: Field<'_>, body: &mut SearchBody) -> Result<(), Problem> {
    let name = field.name().unwrap_or_default().to_owned();
    match name.as_str() {
        "top_k" => body.top_k = number(field, &name).await?,
        "offset" => body.offset = number(field, &name).await?,
        "cursor" => body.cursor = Some(text(field, &name).await?),
        "min_score" => body.min_score = Some(number(field, &name).await?),
        "filter" => body.filter = read_json(text(field, &name).await?.as_bytes(), "filter.")?,
        "weights" => {
            body.weights = Some(read_json(text(field, &name).await?.as_bytes(), "weights.")?);
        }
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

async fn text(field: Field<'_>, name: &str) -> Result<String, Problem> {
    field.text().await.map_err(|error| unreadable(name, &error))
}

async fn number<T: std::str::FromStr>(field: Field<'_>, name: &str) -> Result<T, Problem>
where
    T::Err: std::fmt::Display,
{
    text(field, name).await?.trim().parse().map_err(|error| Problem::field(name, error))
}

/// A value of an enum.
async fn word<T: DeserializeOwned>(field: Field<'_>, name: &str) -> Result<T, Problem> {
    let text = text(field, name).await?;
    let reader = StrDeserializer::<ValueError>::new(text.trim());
    T::deserialize(reader).map_err(|error| Problem::field(name, error))
}
