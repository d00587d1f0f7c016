//! Columns and rows of `captions_<captioner>`.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ListArray, ListBuilder, RecordBatch, StringArray, StringBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::column::{column, repeated, text_field};
use super::facts::{Facts, facts_columns, facts_fields};
use super::vectors::{Space, vector_column, vector_field};
use crate::keyword::each_once;

/// The caption of one object version, in all its languages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CaptionText {
    /// The sentence in the main language. Not empty.
    pub caption: String,
    /// Language of `caption`: `en`, `zh`.
    pub language: String,
    /// The sentence in other languages, as (language, sentence).
    pub others: Vec<(String, String)>,
    /// Keywords in all languages. A table holds them in their one form
    /// ([`normalised`](crate::keyword::normalised)), each once.
    pub keywords: Vec<String>,
    /// Which captioner wrote it: `onnx:demo-captioner`, `openai:qwen-vl-plus`.
    pub provider: String,
    /// Hash of the prompt, the languages, the length and the version of the model. A caption with
    /// another hash is outdated.
    pub prompt_hash: String,
}

impl CaptionText {
    /// The text that a search by words looks at: captions, keywords, and the key, because folders
    /// and file names are often words.
    pub fn words(&self, key: &str) -> String {
        let others = self.others.iter().map(|(_, caption)| caption.as_str());
        let keywords = self.keywords.iter().map(String::as_str);
        std::iter::once(self.caption.as_str())
            .chain(others)
            .chain(keywords)
            .chain([key])
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// When a caption was written, by which captioner, and for which prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptionOrigin {
    /// When its row was written.
    pub at: Timestamp,
    /// As [`CaptionText::provider`].
    pub provider: String,
    /// As [`CaptionText::prompt_hash`].
    pub prompt_hash: String,
}

/// A row of `captions_<captioner>`.
#[derive(Debug, Clone)]
pub struct CaptionRow {
    /// Common columns.
    pub facts: Facts,
    /// The caption.
    pub said: CaptionText,
    /// Unit vector of the caption in the main language.
    pub vector: Vec<f32>,
}

/// Name of the column with [`CaptionText::keywords`].
pub(crate) const KEYWORDS_COLUMN: &str = "keywords";

/// Name of the column with [`CaptionText::words`].
pub(crate) const WORDS_COLUMN: &str = "words";

/// Names of the columns that make up [`CaptionText`].
pub(crate) const CAPTION_COLUMNS: [&str; 7] = [
    "caption",
    "language",
    "other_languages",
    "other_captions",
    KEYWORDS_COLUMN,
    "provider",
    "prompt_hash",
];

fn list_field(name: &str) -> Field {
    Field::new(name, DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))), false)
}

/// Columns of a table whose caption vectors have this length.
pub fn captions_schema(dim: usize) -> SchemaRef {
    let text = text_field;
    let mut fields = facts_fields();
    fields.extend([
        text("caption"),
        text("language"),
        list_field("other_languages"),
        list_field("other_captions"),
        list_field(KEYWORDS_COLUMN),
    ]);
    fields.extend([text("provider"), text("prompt_hash"), text(WORDS_COLUMN)]);
    // The model whose text encoder made the vector, its space and manifest.
    fields.extend([text("text_model"), text("space"), text("manifest_hash")]);
    fields.push(vector_field(dim));
    Arc::new(Schema::new(fields))
}

fn list_column<'a>(rows: impl Iterator<Item = Vec<&'a str>>) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for row in rows {
        for value in row {
            builder.values().append_value(value);
        }
        builder.append(true);
    }
    Arc::new(builder.finish())
}

pub(crate) fn captions_batch(
    rows: &[CaptionRow],
    space: &Space,
    batch_id: &str,
) -> Result<RecordBatch, ArrowError> {
    let text = |get: fn(&CaptionText) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| get(&row.said))))
    };
    let same = |value| repeated(value, rows.len());
    let said = || rows.iter().map(|row| &row.said);
    let keywords: Vec<_> = said().map(|said| each_once(&said.keywords)).collect();
    let mut columns = facts_columns(rows.iter().map(|row| &row.facts), batch_id);
    columns.extend([
        text(|said| &said.caption),
        text(|said| &said.language),
        list_column(
            said().map(|said| said.others.iter().map(|(language, _)| language.as_str()).collect()),
        ),
        list_column(
            said().map(|said| said.others.iter().map(|(_, caption)| caption.as_str()).collect()),
        ),
        list_column(keywords.iter().map(|row| row.iter().map(String::as_str).collect())),
        text(|said| &said.provider),
        text(|said| &said.prompt_hash),
        Arc::new(StringArray::from_iter_values(
            rows.iter().map(|row| row.said.words(&row.facts.key)),
        )),
    ]);
    columns.extend([same(&space.model), same(&space.space), same(&space.manifest_hash)]);
    let vectors = rows.iter().map(|row| (row.facts.key.as_str(), row.vector.as_slice()));
    columns.push(vector_column(vectors, space.dim)?);
    RecordBatch::try_new(captions_schema(space.dim), columns)
}

/// Reads [`CAPTION_COLUMNS`] of every row.
pub(crate) fn read_captions(batch: &RecordBatch) -> Result<Vec<CaptionText>, ArrowError> {
    let text = |name| column::<StringArray>(batch, name);
    let lists = |name| column::<ListArray>(batch, name);
    let (captions, languages, providers, hashes) =
        (text("caption")?, text("language")?, text("provider")?, text("prompt_hash")?);
    let (other_languages, other_captions, keywords) =
        (lists("other_languages")?, lists("other_captions")?, lists(KEYWORDS_COLUMN)?);
    let texts = |list: &ListArray, row| -> Vec<String> {
        let values = list.value(row);
        let values = values.as_any().downcast_ref::<StringArray>();
        values.into_iter().flat_map(|values| values.iter().flatten().map(str::to_owned)).collect()
    };
    Ok((0..batch.num_rows())
        .map(|row| CaptionText {
            caption: captions.value(row).to_owned(),
            language: languages.value(row).to_owned(),
            others: texts(other_languages, row)
                .into_iter()
                .zip(texts(other_captions, row))
                .collect(),
            keywords: texts(keywords, row),
            provider: providers.value(row).to_owned(),
            prompt_hash: hashes.value(row).to_owned(),
        })
        .collect())
}
