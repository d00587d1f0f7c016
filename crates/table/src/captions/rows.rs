//! Columns of `captions_<model>`, and rows ↔ Arrow batches.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ListArray, ListBuilder, RecordBatch, StringArray, StringBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use serde::Serialize;

use crate::schema::{self, Facts, Space, column};

/// What was said about one object version.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Said {
    /// The sentence in the main language. Not empty.
    pub caption: String,
    /// Language of `caption`: `en`, `zh`.
    pub language: String,
    /// The sentence in other languages: language, sentence.
    pub others: Vec<(String, String)>,
    /// Keywords, each once, in all languages.
    pub keywords: Vec<String>,
    /// Who said it: `onnx:demo-captioner`, `openai:qwen-vl-plus`.
    pub provider: String,
    /// Hash of what was asked for: prompt, languages, length, version of the model. Another hash is
    /// another question.
    pub prompt_hash: String,
}

impl Said {
    /// All that can be searched for as words: captions, keywords, and the key, whose folders and
    /// file name are often words.
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

/// A row of `captions_<model>`.
#[derive(Debug, Clone)]
pub struct CaptionRow {
    /// Common columns.
    pub facts: Facts,
    /// What was said.
    pub said: Said,
    /// Unit vector of the caption in the main language.
    pub vector: Vec<f32>,
}

/// Name of the column with [`Said::words`].
pub(crate) const WORDS: &str = "words";

pub(crate) const SAID_COLUMNS: [&str; 7] = [
    "caption",
    "language",
    "other_languages",
    "other_captions",
    "keywords",
    "provider",
    "prompt_hash",
];

fn list(name: &str) -> Field {
    Field::new(name, DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))), false)
}

/// Columns of a table whose caption vectors are of this length.
pub(crate) fn captions_schema(dim: usize) -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let mut fields = schema::facts_fields();
    fields.extend([
        text("caption"),
        text("language"),
        list("other_languages"),
        list("other_captions"),
        list("keywords"),
    ]);
    fields.extend([text("provider"), text("prompt_hash"), text(WORDS)]);
    // The model whose text tower made the vector, its space and manifest.
    fields.extend([text("text_model"), text("space"), text("manifest_hash")]);
    fields.push(schema::vector_field(dim));
    Arc::new(Schema::new(fields))
}

fn lists<'a>(rows: impl Iterator<Item = Vec<&'a str>>) -> ArrayRef {
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
    let text = |get: fn(&Said) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| get(&row.said))))
    };
    let same = |value: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value, rows.len())))
    };
    let said = || rows.iter().map(|row| &row.said);
    let mut columns = schema::facts_columns(rows.iter().map(|row| &row.facts), batch_id);
    columns.extend([
        text(|said| &said.caption),
        text(|said| &said.language),
        lists(
            said().map(|said| said.others.iter().map(|(language, _)| language.as_str()).collect()),
        ),
        lists(said().map(|said| said.others.iter().map(|(_, caption)| caption.as_str()).collect())),
        lists(said().map(|said| said.keywords.iter().map(String::as_str).collect())),
        text(|said| &said.provider),
        text(|said| &said.prompt_hash),
        Arc::new(StringArray::from_iter_values(
            rows.iter().map(|row| row.said.words(&row.facts.key)),
        )),
    ]);
    columns.extend([same(&space.model), same(&space.space), same(&space.manifest_hash)]);
    let vectors = rows.iter().map(|row| (row.facts.key.as_str(), row.vector.as_slice()));
    columns.push(schema::vector_column(vectors, space.dim)?);
    RecordBatch::try_new(captions_schema(space.dim), columns)
}

/// Reads [`SAID_COLUMNS`] of every row.
pub(crate) fn read_said(batch: &RecordBatch) -> Result<Vec<Said>, ArrowError> {
    let text = |name| column::<StringArray>(batch, name);
    let lists = |name| column::<ListArray>(batch, name);
    let (captions, languages, providers, hashes) =
        (text("caption")?, text("language")?, text("provider")?, text("prompt_hash")?);
    let (other_languages, other_captions, keywords) =
        (lists("other_languages")?, lists("other_captions")?, lists("keywords")?);
    let texts = |list: &ListArray, row| -> Vec<String> {
        let values = list.value(row);
        let values = values.as_any().downcast_ref::<StringArray>();
        values.into_iter().flat_map(|values| values.iter().flatten().map(str::to_owned)).collect()
    };
    Ok((0..batch.num_rows())
        .map(|row| Said {
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
