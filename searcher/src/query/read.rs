//! Reading a search from a query string, JSON or a form.

use axum::body::Bytes;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::de::value::{Error as ValueError, StrDeserializer};
use serde::{Deserialize, Serialize};
use table::filter::Filter;
use url::Url;
use utoipa::{IntoParams, ToSchema};

use crate::linked::MOST_CHARACTERS;
use crate::problem::{Problem, read_json};
use crate::query::{Collapse, Cutoff, Example, MAX_EXAMPLES, Of, Query, Sort};
use crate::ranking::cursor::Cursor;
use crate::ranking::fusion::{Fusion, Weights};

fn ten() -> usize {
    10
}

fn one() -> f32 {
    1.0
}

/// Query string of `GET /v1/search`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Words {
    /// What to look for, in English or Chinese.
    #[serde(default)]
    #[param(
        required,
        min_length = 1,
        max_length = 1000,
        example = "a red car on the beach -night"
    )]
    q: String,
    /// Hits of a page.
    #[serde(default = "ten")]
    #[param(minimum = 1, maximum = 1000, default = 10)]
    top_k: usize,
    /// Hits to skip.
    #[serde(default)]
    #[param(minimum = 0, maximum = 10000, default = 0)]
    offset: usize,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Least cosine similarity of pictures, from -1 to 1.
    #[param(minimum = -1, maximum = 1)]
    min_score: Option<f32>,
    /// What keys begin with.
    #[param(max_length = 1024)]
    prefix: Option<String>,
    #[serde(default)]
    #[param(inline)]
    collapse: Collapse,
    #[serde(default)]
    #[param(inline)]
    fusion: Fusion,
    #[serde(default)]
    #[param(inline)]
    cutoff: Cutoff,
    #[serde(default)]
    #[param(inline)]
    sort: Sort,
}

/// One of the examples of a JSON body: exactly one of `text`, `image` (base64), `image_url`,
/// `image_id` and `vector`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// Words.
    #[schema(max_length = 1000)]
    text: Option<String>,
    /// The bytes of a picture, in base64.
    image: Option<String>,
    /// The address of a picture, which is fetched from there where settings allow it.
    #[schema(max_length = 2048, format = "uri")]
    image_url: Option<String>,
    /// Id of an indexed picture.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    image_id: Option<String>,
    /// A vector of the model's own space.
    vector: Option<Vec<f32>>,
    /// How much it counts, from -10 to 10; a negative one says what hits should not be like. Not 0.
    #[serde(default = "one")]
    #[schema(minimum = -10, maximum = 10, default = 1.0)]
    weight: f32,
}

/// JSON of `POST /v1/search`: some of `text`, `image` (base64), `image_url`, `image_id` and
/// `vector`, or `examples` with weights. With `model` or `space` it is answered only by that one.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Body {
    /// Words; those with a minus before them must not occur.
    #[schema(max_length = 1000, example = "a red car on the beach -night")]
    text: Option<String>,
    /// The bytes of a picture, in base64.
    image: Option<String>,
    /// The address of a picture, which is fetched from there where settings allow it.
    #[schema(max_length = 2048, format = "uri")]
    image_url: Option<String>,
    /// Id of an indexed picture.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    image_id: Option<String>,
    /// A vector of the model's own space.
    vector: Option<Vec<f32>>,
    /// Further examples, each with its weight.
    #[serde(default)]
    #[schema(max_items = 8)]
    examples: Vec<Part>,
    /// Answered by this model or not at all.
    model: Option<String>,
    /// Answered by a model of this space or not at all.
    space: Option<String>,
    /// Hits of a page.
    #[serde(default = "ten")]
    #[schema(minimum = 1, maximum = 1000, default = 10)]
    top_k: usize,
    /// Hits to skip.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 10000, default = 0)]
    offset: usize,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Least cosine similarity of pictures.
    #[schema(minimum = -1, maximum = 1)]
    min_score: Option<f32>,
    #[serde(default)]
    filter: Filter,
    #[serde(default)]
    collapse: Collapse,
    weights: Option<Weights>,
    #[serde(default)]
    fusion: Fusion,
    #[serde(default)]
    cutoff: Cutoff,
    #[serde(default)]
    sort: Sort,
}

/// A form: the fields of the JSON, each as text, but pictures as files and `filter` and `weights`
/// as JSON.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it only describes what from_form reads")]
pub(crate) struct Form {
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

impl Part {
    fn examples(self) -> Result<Vec<(Example, f32)>, Problem> {
        let mut examples = Vec::new();
        examples.extend(self.text.map(Example::Text));
        if let Some(text) = self.image {
            let bytes = STANDARD
                .decode(text.trim())
                .map_err(|error| Problem::field("image", format!("is not base64: {error}")))?;
            examples.push(Example::Image(bytes.into()));
        }
        if let Some(text) = self.image_url {
            examples.push(Example::ImageUrl(address(&text)?));
        }
        examples.extend(self.image_id.map(Example::ImageId));
        examples.extend(self.vector.map(Example::Vector));
        Ok(examples.into_iter().map(|example| (example, self.weight)).collect())
    }
}

impl Body {
    /// The search, with these examples before those of the body.
    fn query(self, mut examples: Vec<(Example, f32)>, expected: &str) -> Result<Query, Problem> {
        let Body { text, image, image_url, image_id, vector, .. } = self;
        examples.extend(Part { text, image, image_url, image_id, vector, weight: 1.0 }.examples()?);
        for part in self.examples {
            let mut of_part = part.examples()?;
            let (Some(example), None) = (of_part.pop(), of_part.pop()) else {
                return Err(Problem::field(
                    "examples",
                    "need exactly one of text, image, image_url, image_id and vector each",
                ));
            };
            examples.push(example);
        }
        let query = Query {
            examples,
            top_k: self.top_k,
            offset: self.offset,
            cursor: self.cursor.as_deref().map(Cursor::read).transpose()?,
            min_score: self.min_score,
            filter: self.filter,
            collapse: self.collapse,
            weights: self.weights,
            fusion: self.fusion,
            cutoff: self.cutoff,
            sort: self.sort,
            of: Of { model: self.model, space: self.space },
            ..Query::default()
        };
        let digest = digest(&query);
        Query { digest, ..query }.checked(expected)
    }
}

impl Query {
    /// Reads a query string.
    pub(crate) fn from_words(words: Words) -> Result<Self, Problem> {
        let Words { q, top_k, offset, cursor, min_score, prefix, collapse, fusion, cutoff, sort } =
            words;
        let filter = Filter { prefix, ..Filter::default() };
        let body = Body {
            top_k,
            offset,
            cursor,
            min_score,
            filter,
            collapse,
            fusion,
            cutoff,
            sort,
            ..Body::default()
        };
        body.query(vec![(Example::Text(q), 1.0)], "q")
    }

    /// Reads a JSON body.
    pub(crate) fn from_json(bytes: &[u8]) -> Result<Self, Problem> {
        read_json::<Body>(bytes, "")?.query(Vec::new(), "text")
    }

    /// Reads a form: the same fields, `image` as files, `filter` and `weights` as JSON.
    pub(crate) async fn from_form(mut form: Multipart) -> Result<Self, Problem> {
        let (mut examples, mut body) = (Vec::new(), Body { top_k: ten(), ..Body::default() });
        // No more than one too many is read; the rest would only take memory.
        while let Some(field) =
            form.next_field().await.map_err(|error| unreadable("body", &error))?
        {
            let name = field.name().unwrap_or_default().to_owned();
            match name.as_str() {
                "image" => examples.push((Example::Image(bytes(field, &name).await?), 1.0)),
                "text" => examples.push((Example::Text(text(field, &name).await?), 1.0)),
                "image_url" => {
                    examples.push((Example::ImageUrl(address(&text(field, &name).await?)?), 1.0))
                }
                "image_id" => examples.push((Example::ImageId(text(field, &name).await?), 1.0)),
                "top_k" => body.top_k = number(field, &name).await?,
                "offset" => body.offset = number(field, &name).await?,
                "cursor" => body.cursor = Some(text(field, &name).await?),
                "min_score" => body.min_score = Some(number(field, &name).await?),
                "filter" => {
                    body.filter = read_json(text(field, &name).await?.as_bytes(), "filter.")?
                }
                "weights" => {
                    body.weights =
                        Some(read_json(text(field, &name).await?.as_bytes(), "weights.")?)
                }
                "collapse" => body.collapse = word(field, &name).await?,
                "fusion" => body.fusion = word(field, &name).await?,
                "cutoff" => body.cutoff = word(field, &name).await?,
                "sort" => body.sort = word(field, &name).await?,
                _ => return Err(Problem::field(name, "is not a field of this form")),
            }
            if examples.len() > MAX_EXAMPLES {
                break;
            }
        }
        body.query(examples, "image")
    }
}

/// An address, as far as it can be judged without asking.
fn address(text: &str) -> Result<Url, Problem> {
    if text.len() > MOST_CHARACTERS {
        return Err(Problem::field("image_url", format!("is longer than {MOST_CHARACTERS} bytes")));
    }
    Url::parse(text.trim()).map_err(|error| Problem::field("image_url", error))
}

/// Two searches with the same digest have the same hits in the same order, whatever page is asked
/// for.
fn digest(query: &Query) -> String {
    #[derive(Serialize)]
    struct Order<'a> {
        filter: &'a Filter,
        weights: &'a Option<Weights>,
        ways: String,
        min_score: Option<f32>,
    }
    let Query { collapse, fusion, cutoff, sort, min_score, .. } = query;
    let ways = format!("{collapse:?} {fusion:?} {cutoff:?} {sort:?}");
    let order =
        Order { filter: &query.filter, weights: &query.weights, ways, min_score: *min_score };
    let mut hasher = blake3::Hasher::new();
    hasher.update(&serde_json::to_vec(&order).unwrap_or_default());
    for (example, weight) in &query.examples {
        hasher.update(&weight.to_le_bytes());
        match example {
            Example::Text(text) => hasher
                .update(b"text")
                .update(&(text.len() as u64).to_le_bytes())
                .update(text.as_bytes()),
            Example::Image(bytes) => hasher.update(b"image").update(blake3::hash(bytes).as_bytes()),
            Example::ImageUrl(url) => hasher.update(b"url").update(url.as_str().as_bytes()),
            Example::ImageId(id) => hasher.update(b"id").update(id.as_bytes()),
            Example::Vector(values) => {
                hasher.update(b"vector").update(&(values.len() as u64).to_le_bytes());
                values.iter().fold(&mut hasher, |hasher, value| hasher.update(&value.to_le_bytes()))
            }
        };
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

/// Too large, or no form.
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
        serde_json::from_str::<serde_json::Value>(&body).unwrap()["field"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn futures_body(response: axum::response::Response) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bytes =
            runtime.block_on(axum::body::to_bytes(response.into_body(), usize::MAX)).unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn examples(json: &str) -> Vec<(Example, f32)> {
        Query::from_json(json.as_bytes()).unwrap().examples
    }

    #[test]
    fn a_search_has_one_or_several_examples() {
        let cat = (Example::Text("cat".into()), 1.0);
        assert_eq!(examples(r#"{"text":"cat"}"#), std::slice::from_ref(&cat));
        assert_eq!(
            examples(r#"{"image":"aGk="}"#),
            [(Example::Image(Bytes::from_static(b"hi")), 1.0)]
        );
        assert_eq!(
            examples(r#"{"text":"cat","vector":[1,0.5]}"#),
            [cat.clone(), (Example::Vector(vec![1.0, 0.5]), 1.0)]
        );
        let weighted = examples(r#"{"text":"cat","examples":[{"text":"dog","weight":-0.5}]}"#);
        assert_eq!(weighted, [cat, (Example::Text("dog".into()), -0.5)]);
        assert_eq!(wrong_field("{}"), "text");
    }

    #[test]
    fn words_with_a_minus_are_set_aside() {
        let query = Query::from_json(
            r#"{"text":"red car -night","examples":[{"text":"snow","weight":-1}]}"#.as_bytes(),
        )
        .unwrap();
        assert_eq!(
            (query.words.as_deref(), query.unwanted),
            (Some("red car"), vec![String::from("night")])
        );
        assert_eq!(query.examples[0].0, Example::Text("red car".into()));
    }

    #[test]
    fn a_cursor_goes_with_its_query_only() {
        let digest = |json: &str| Query::from_json(json.as_bytes()).unwrap().digest;
        assert_eq!(digest(r#"{"text":"a","top_k":3}"#), digest(r#"{"text":"a","top_k":500}"#));
        for other in [
            r#"{"text":"b"}"#,
            r#"{"text":"a","cutoff":"auto"}"#,
            r#"{"text":"a","filter":{"prefix":"x"}}"#,
        ] {
            assert_ne!(digest(r#"{"text":"a"}"#), digest(other), "{other}");
        }
        let cursor = Cursor { query: digest(r#"{"text":"a"}"#), ..Cursor::default() }.write();
        assert!(
            Query::from_json(format!(r#"{{"text":"a","cursor":"{cursor}"}}"#).as_bytes()).is_ok()
        );
        assert_eq!(wrong_field(&format!(r#"{{"text":"b","cursor":"{cursor}"}}"#)), "cursor");
        assert_eq!(
            wrong_field(&format!(r#"{{"text":"a","offset":1,"cursor":"{cursor}"}}"#)),
            "offset"
        );
    }

    #[test]
    fn whatever_is_wrong_names_its_field() {
        for (json, field) in [
            (r#"{"text":"  "}"#, "text"),
            (r#"{"text":"-night"}"#, "text"),
            (r#"{"text":"a","top_k":0}"#, "top_k"),
            (r#"{"text":"a","top_k":1001}"#, "top_k"),
            (r#"{"text":"a","top_k":-1}"#, "top_k"),
            (r#"{"text":"a","top_k":"x"}"#, "top_k"),
            (r#"{"text":"a","offset":99999999}"#, "offset"),
            (r#"{"text":"a","min_score":7}"#, "min_score"),
            (r#"{"image":"***"}"#, "image"),
            (r#"{"image_url":"no address"}"#, "image_url"),
            (r#"{"examples":[{"image_url":"http://"}]}"#, "image_url"),
            (r#"{"image_id":"' OR 1=1"}"#, "image_id"),
            (r#"{"vector":[0,0]}"#, "vector"),
            (r#"{"text":"a","filter":{"taken_after":"tomorrow"}}"#, "filter.taken_after"),
            (r#"{"text":"a","filter":{"sql":"1=1"}}"#, "filter.sql"),
            (r#"{"text":"a","filter":{"orientation":"round"}}"#, "filter.orientation"),
            (
                r#"{"text":"a","filter":{"place":{"north":1,"south":2,"west":0,"east":0}}}"#,
                "filter.place",
            ),
            (r#"{"text":"a","collapse":"everything"}"#, "collapse"),
            (r#"{"text":"a","collapse":true}"#, "collapse"),
            (r#"{"text":"a","fusion":"magic"}"#, "fusion"),
            (r#"{"text":"a","cutoff":0.5}"#, "cutoff"),
            (r#"{"text":"a","sort":"key"}"#, "sort"),
            (r#"{"text":"a","weights":{"image":-1}}"#, "weights.image"),
            (r#"{"text":"a","weights":{"image":0,"caption_vector":0,"text":0}}"#, "weights"),
            (r#"{"text":"a","weights":{"colour":1}}"#, "weights.colour"),
            (r#"{"text":"a","cursor":"nonsense"}"#, "cursor"),
            (r#"{"examples":[{"weight":1}]}"#, "examples"),
            (r#"{"examples":[{"text":"a","image_id":"b"}]}"#, "examples"),
            (r#"{"text":"a","examples":[{"text":"b","weight":0}]}"#, "examples"),
            (r#"{"examples":[{"text":"b","weight":-1}]}"#, "examples"),
            (r#"{"txet":"a"}"#, "txet"),
            ("not json", "body"),
            (r#"{"text":"a"} trailing"#, "body"),
        ] {
            assert_eq!(wrong_field(json), field, "{json}");
        }
        assert_eq!(wrong_field(&format!(r#"{{"text":"{}"}}"#, "a".repeat(1001))), "text");
        let minus: String = (0..9).map(|n| format!(" -b{n}")).collect();
        assert_eq!(wrong_field(&format!(r#"{{"text":"a{minus}"}}"#)), "text");
    }
}
