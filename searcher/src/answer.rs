//! What a search answers, as it is written.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use table::captions::CaptionText;
use table::duplicates::Duplicate;
use utoipa::ToSchema;

use crate::engine::Served;
use crate::ranking::fusion::{Fusion, Say, Signal, Weights};
use crate::ranking::{self, Answer};

/// Hits, and what they came from.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SearchAnswer {
    /// The best first.
    hits: Vec<Hit>,
    /// Where the next page begins: to be sent as `cursor` with the same search. Null on the last
    /// page.
    next_cursor: Option<String>,
    /// Candidates that were left out because nothing speaks for them (`cutoff`).
    dropped_below_cutoff: usize,
    /// What this answer lacks, in a sentence; null where it lacks nothing.
    degraded: Option<String>,
    /// Id of the model that answered; null where none could.
    model: Option<String>,
    /// The space of its vectors.
    space: Option<String>,
    /// Version of the table of vectors.
    table_version: u64,
    /// Version of the table of captions; null where there is none.
    captions_version: Option<u64>,
    /// What each signal counted.
    weights: Weights,
    fusion: Fusion,
    /// Whether all vectors were compared.
    exact: bool,
    /// Milliseconds the search took.
    took_ms: u64,
}

/// One picture that was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Hit {
    /// 32 hexadecimal digits that name this version of the object.
    image_id: String,
    bucket: String,
    key: String,
    etag: String,
    /// What it is ordered by; comparable within one answer only.
    score: f32,
    /// What each signal says of it.
    #[schema(value_type = BTreeMap<String, Say>)]
    signals: BTreeMap<&'static str, Say>,
    /// Words of the search that its caption, keywords or key hold.
    matched: Vec<String>,
    /// In pixels, as displayed.
    width: u32,
    /// In pixels, as displayed.
    height: u32,
    taken_at: Option<jiff::Timestamp>,
    /// BLAKE3 of its bytes.
    content_hash: String,
    thumbnail_url: String,
    url: String,
    #[serde(flatten)]
    said: Captioned,
    /// With `collapse`: other objects with the same bytes, at most 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicates: Option<Vec<Duplicate>>,
    /// With `collapse`: how many there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicates_total: Option<usize>,
}

/// What was said about a picture. Left out where nothing was.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Captioned {
    /// The sentence in the main language.
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<String>,
    /// Sentences by language.
    #[serde(skip_serializing_if = "Option::is_none")]
    captions: Option<BTreeMap<String, String>>,
    /// Keywords in all languages.
    #[serde(skip_serializing_if = "Option::is_none")]
    keywords: Option<Vec<String>>,
    /// Who said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    captioner: Option<String>,
}

impl Captioned {
    pub(crate) fn of(said: Option<CaptionText>) -> Self {
        let Some(CaptionText { caption, language, others, keywords, provider, .. }) = said else {
            return Self::default();
        };
        let captions = std::iter::once((language, caption.clone())).chain(others).collect();
        Self {
            caption: Some(caption),
            captions: Some(captions),
            keywords: Some(keywords),
            captioner: Some(provider),
        }
    }
}

impl SearchAnswer {
    pub(crate) fn of(answer: Answer, served: &Served, fusion: Fusion, took: Duration) -> Self {
        Self {
            hits: answer.hits.into_iter().map(Hit::of).collect(),
            next_cursor: answer.next_cursor,
            dropped_below_cutoff: answer.dropped,
            degraded: answer.degraded,
            model: served.model().map(str::to_owned),
            space: served.encoders().map(|encoders| encoders.space.space.clone()),
            table_version: answer.table_version,
            captions_version: answer.captions_version,
            weights: answer.weights,
            fusion,
            exact: answer.exact,
            took_ms: took.as_millis() as u64,
        }
    }
}

impl Hit {
    fn of(hit: ranking::Hit) -> Self {
        let ranking::Hit { facts, score, says, matched, said, duplicates } = hit;
        let [thumbnail_url, url] =
            ["thumbnail", "original"].map(|what| format!("/v1/images/{}/{what}", facts.image_id));
        let (named, total) =
            duplicates.map(|duplicates| (duplicates.named, duplicates.total)).unzip();
        Self {
            image_id: facts.image_id,
            bucket: facts.bucket,
            key: facts.key,
            etag: facts.etag,
            score,
            signals: says
                .into_iter()
                .map(|(signal, say): (Signal, Say)| (signal.name(), say))
                .collect(),
            matched,
            width: facts.width,
            height: facts.height,
            taken_at: facts.taken_at,
            content_hash: facts.content_hash,
            thumbnail_url,
            url,
            said: Captioned::of(said),
            duplicates: named,
            duplicates_total: total,
        }
    }
}
