//! What can be asked, and the reading of it from a query string, JSON or a form. Whatever is wrong names its field.

use axum::body::Bytes;
use axum::extract::multipart::{Field, Multipart};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde::de::value::{Error as ValueError, StrDeserializer};
use table::filter::Filter;
use table::schema::Space;

use crate::problem::{Problem, read_json};

const MAX_TOP_K: usize = 1000;
// Every page is found anew, so a deep one costs as much as all before it together.
const MAX_OFFSET: usize = 10_000;
const MAX_TEXT_CHARACTERS: usize = 1000;
const MAX_LIST: usize = 100;

/// What hits should be like.
#[derive(Debug, PartialEq)]
pub(crate) enum Example {
    /// Words.
    Text(String),
    /// A picture, as the bytes of its file.
    Image(Bytes),
    /// An indexed picture.
    ImageId(String),
    /// A vector of the model's own space.
    Vector(Vec<f32>),
}

/// Which hits are shown as one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Collapse {
    /// Every object is a hit.
    #[default]
    None,
    /// Objects with the same bytes are one hit.
    Duplicates,
}

/// Which model the one who asks has in mind; an answer of another one is none.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Of {
    pub(crate) model: Option<String>,
    pub(crate) space: Option<String>,
}

impl Of {
    /// Refuses a question that is meant for another model.
    pub(crate) fn check(&self, answering: &Space) -> Result<(), Problem> {
        for (field, meant, ours) in [("model", &self.model, &answering.model), ("space", &self.space, &answering.space)] {
            if meant.as_ref().is_some_and(|meant| meant != ours) {
                return Err(Problem::field(field, format!("is another one's: '{ours}' answers")));
            }
        }
        Ok(())
    }
}

/// A search, checked.
#[derive(Debug, PartialEq)]
pub(crate) struct Query {
    pub(crate) example: Example,
    pub(crate) top_k: usize,
    pub(crate) offset: usize,
    pub(crate) min_score: Option<f32>,
    pub(crate) filter: Filter,
    pub(crate) collapse: Collapse,
    pub(crate) of: Of,
}

fn ten() -> usize {
    10
}

/// Query string of `GET /v1/search`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Words {
    #[serde(default)]
    q: String,
    #[serde(default = "ten")]
    top_k: usize,
    #[serde(default)]
    offset: usize,
    min_score: Option<f32>,
    prefix: Option<String>,
    #[serde(default)]
    collapse: Collapse,
}

/// JSON of `POST /v1/search`: exactly one of `text`, `image` (base64), `image_id` and `vector`. With `model` or `space` it is
/// answered only by that one.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    text: Option<String>,
    image: Option<String>,
    image_id: Option<String>,
    vector: Option<Vec<f32>>,
    model: Option<String>,
    space: Option<String>,
    #[serde(default = "ten")]
    top_k: usize,
    #[serde(default)]
    offset: usize,
    min_score: Option<f32>,
    #[serde(default)]
    filter: Filter,
    #[serde(default)]
    collapse: Collapse,
}

impl Query {
    /// Reads a query string.
    pub(crate) fn from_words(words: Words) -> Result<Self, Problem> {
        let filter = Filter { prefix: words.prefix, ..Filter::default() };
        Self::checked(vec![Example::Text(words.q)], "q", words.top_k, words.offset, words.min_score, filter, words.collapse)
    }

    /// Reads a JSON body.
    pub(crate) fn from_json(bytes: &[u8]) -> Result<Self, Problem> {
        let body: Body = read_json(bytes, "")?;
        let mut examples = Vec::new();
        examples.extend(body.text.map(Example::Text));
        if let Some(text) = body.image {
            let bytes =
                STANDARD.decode(text.trim()).map_err(|error| Problem::field("image", format!("is not base64: {error}")))?;
            examples.push(Example::Image(bytes.into()));
        }
        examples.extend(body.image_id.map(Example::ImageId));
        examples.extend(body.vector.map(Example::Vector));
        let query = Self::checked(examples, "text", body.top_k, body.offset, body.min_score, body.filter, body.collapse)?;
        Ok(Self { of: Of { model: body.model, space: body.space }, ..query })
    }

    /// Reads a form: the same fields, `image` as a file, `filter` as JSON.
    pub(crate) async fn from_form(mut form: Multipart) -> Result<Self, Problem> {
        let (mut examples, mut body) = (Vec::new(), Body { top_k: ten(), ..Body::default() });
        while let Some(field) = form.next_field().await.map_err(|error| Problem::field("body", error.body_text()))? {
            let name = field.name().unwrap_or_default().to_owned();
            match name.as_str() {
                "image" => examples.push(Example::Image(bytes(field, &name).await?)),
                "text" => examples.push(Example::Text(text(field, &name).await?)),
                "image_id" => examples.push(Example::ImageId(text(field, &name).await?)),
                "top_k" => body.top_k = number(field, &name).await?,
                "offset" => body.offset = number(field, &name).await?,
                "min_score" => body.min_score = Some(number(field, &name).await?),
                "filter" => body.filter = read_json(text(field, &name).await?.as_bytes(), "filter.")?,
                "collapse" => body.collapse = word(field, &name).await?,
                _ => return Err(Problem::field(name, "is not a field of this form")),
            }
        }
        Self::checked(examples, "image", body.top_k, body.offset, body.min_score, body.filter, body.collapse)
    }

    fn checked(
        mut examples: Vec<Example>,
        expected: &str,
        top_k: usize,
        offset: usize,
        min_score: Option<f32>,
        filter: Filter,
        collapse: Collapse,
    ) -> Result<Self, Problem> {
        let (Some(example), None) = (examples.pop(), examples.pop()) else {
            return Err(Problem::field(expected, "exactly one of text, image, image_id and vector is needed"));
        };
        match &example {
            Example::Text(words) if words.trim().is_empty() => {
                return Err(Problem::field(expected, "is empty: say what to look for"));
            }
            Example::Text(words) if words.chars().count() > MAX_TEXT_CHARACTERS => {
                return Err(Problem::field(expected, format!("has more than {MAX_TEXT_CHARACTERS} characters")));
            }
            Example::Image(bytes) if bytes.is_empty() => return Err(Problem::field("image", "is empty")),
            Example::ImageId(id) if id.parse::<pipeline::ImageId>().is_err() => {
                return Err(Problem::field("image_id", "is not an id: 32 lower-case hex digits are expected"));
            }
            Example::Vector(values) if !values.iter().all(|x| x.is_finite()) || values.iter().all(|x| *x == 0.0) => {
                return Err(Problem::field("vector", "must hold finite numbers that are not all zero"));
            }
            _ => {}
        }
        if !(1..=MAX_TOP_K).contains(&top_k) {
            return Err(Problem::field("top_k", format!("must be from 1 to {MAX_TOP_K}")));
        }
        if offset > MAX_OFFSET {
            return Err(Problem::field("offset", format!("must be at most {MAX_OFFSET}")));
        }
        if min_score.is_some_and(|score| !(-1.0..=1.0).contains(&score)) {
            return Err(Problem::field("min_score", "is a cosine similarity: it must be from -1 to 1"));
        }
        if filter.formats.len() > MAX_LIST {
            return Err(Problem::field("filter.formats", format!("must have at most {MAX_LIST} entries")));
        }
        if filter.prefix.as_ref().is_some_and(|prefix| prefix.len() > 1024) {
            return Err(Problem::field("prefix", "is longer than a key can be (1024 bytes)"));
        }
        Ok(Self { example, top_k, offset, min_score, filter, collapse, of: Of::default() })
    }
}

async fn bytes(field: Field<'_>, name: &str) -> Result<Bytes, Problem> {
    field.bytes().await.map_err(|error| Problem::field(name, error.body_text()))
}

async fn text(field: Field<'_>, name: &str) -> Result<String, Problem> {
    field.text().await.map_err(|error| Problem::field(name, error.body_text()))
}

async fn number<T: std::str::FromStr>(field: Field<'_>, name: &str) -> Result<T, Problem>
where
    T::Err: std::fmt::Display,
{
    text(field, name).await?.trim().parse().map_err(|error| Problem::field(name, error))
}

/// One of a few known words.
async fn word<T: DeserializeOwned>(field: Field<'_>, name: &str) -> Result<T, Problem> {
    let text = text(field, name).await?;
    let reader = StrDeserializer::<ValueError>::new(text.trim());
    T::deserialize(reader).map_err(|error| Problem::field(name, error))
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    fn wrong_field(json: &str) -> String {
        let problem = Query::from_json(json.as_bytes()).unwrap_err().into_response();
        assert_eq!(problem.status(), 400);
        let body = futures_body(problem);
        serde_json::from_str::<serde_json::Value>(&body).unwrap()["field"].as_str().unwrap().to_owned()
    }

    fn futures_body(response: axum::response::Response) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bytes = runtime.block_on(axum::body::to_bytes(response.into_body(), usize::MAX)).unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn a_search_has_exactly_one_example() {
        assert_eq!(Query::from_json(br#"{"text":"cat"}"#).unwrap().example, Example::Text("cat".into()));
        assert_eq!(Query::from_json(br#"{"image":"aGk="}"#).unwrap().example, Example::Image(Bytes::from_static(b"hi")));
        assert_eq!(Query::from_json(br#"{"vector":[1,0.5]}"#).unwrap().example, Example::Vector(vec![1.0, 0.5]));
        assert_eq!(wrong_field("{}"), "text");
        assert_eq!(wrong_field(r#"{"text":"cat","vector":[1]}"#), "text");
    }

    #[test]
    fn whatever_is_wrong_names_its_field() {
        for (json, field) in [
            (r#"{"text":"  "}"#, "text"),
            (r#"{"text":"a","top_k":0}"#, "top_k"),
            (r#"{"text":"a","top_k":1001}"#, "top_k"),
            (r#"{"text":"a","top_k":-1}"#, "top_k"),
            (r#"{"text":"a","top_k":"x"}"#, "top_k"),
            (r#"{"text":"a","offset":99999999}"#, "offset"),
            (r#"{"text":"a","min_score":7}"#, "min_score"),
            (r#"{"image":"***"}"#, "image"),
            (r#"{"image_id":"' OR 1=1"}"#, "image_id"),
            (r#"{"vector":[0,0]}"#, "vector"),
            (r#"{"text":"a","filter":{"taken_after":"tomorrow"}}"#, "filter.taken_after"),
            (r#"{"text":"a","filter":{"sql":"1=1"}}"#, "filter.sql"),
            (r#"{"text":"a","collapse":"everything"}"#, "collapse"),
            (r#"{"text":"a","collapse":true}"#, "collapse"),
            (r#"{"txet":"a"}"#, "txet"),
            ("not json", "body"),
            (r#"{"text":"a"} trailing"#, "body"),
        ] {
            assert_eq!(wrong_field(json), field, "{json}");
        }
        assert_eq!(wrong_field(&format!(r#"{{"text":"{}"}}"#, "a".repeat(1001))), "text");
    }
}
