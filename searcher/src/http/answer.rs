//! The JSON answer of a search.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use table::captions::CaptionText;
use table::duplicates::Duplicate;
use utoipa::ToSchema;

use crate::active_model::ActiveModel;
use crate::query::weights::{Fusion, Weights};
use crate::ranking::fusion::SignalScore;
use crate::ranking::{RankedAnswer, RankedHit};

/// Hits, and what they came from.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SearchAnswer {
    /// The best first.
    hits: Vec<SearchHit>,
    /// Where the next page begins: send it as `cursor` with the same search. Null on the last
    /// page.
    next_cursor: Option<String>,
    /// Number of candidates that the cutoff left out.
    dropped_below_cutoff: usize,
    /// What this answer lacks, in a sentence; null if it lacks nothing.
    degraded: Option<String>,
    /// Id of the model that answered; null if none could.
    model: Option<String>,
    /// The space of its vectors.
    space: Option<String>,
    /// Version of the table of vectors.
    table_version: u64,
    /// Version of the table of captions; null if there is none.
    captions_version: Option<u64>,
    /// The weight of each signal.
    weights: Weights,
    fusion: Fusion,
    /// Whether all vectors of pictures were compared.
    exact: bool,
    /// Milliseconds the search took.
    took_ms: f64,
}

/// One found picture.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SearchHit {
    /// 32 hexadecimal digits that name this version of the object.
    image_id: String,
    bucket: String,
    key: String,
    etag: String,
    /// Orders the hits; comparable within one answer only.
    score: f32,
    /// The score of each signal that found it.
    #[schema(value_type = BTreeMap<String, SignalScore>)]
    signals: BTreeMap<&'static str, SignalScore>,
    /// Words of the search that its caption, keywords or key contain.
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
    caption: CaptionFields,
    /// With `collapse`: other objects with the same bytes, at most 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicates: Option<Vec<Duplicate>>,
    /// With `collapse`: how many there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicates_total: Option<usize>,
}

/// The caption and keywords of a picture. The fields are left out if it has none.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct CaptionFields {
    /// The sentence in the main language.
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<String>,
    /// Sentences by language.
    #[serde(skip_serializing_if = "Option::is_none")]
    captions: Option<BTreeMap<String, String>>,
    /// Keywords in all languages.
    #[serde(skip_serializing_if = "Option::is_none")]
    keywords: Option<Vec<String>>,
    /// Who wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    captioner: Option<String>,
}

impl From<Option<CaptionText>> for CaptionFields {
    fn from(text: Option<CaptionText>) -> Self {
        let Some(CaptionText { caption, language, others, keywords, provider, .. }) = text else {
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
    pub(super) fn new(
        answer: RankedAnswer,
        model: &ActiveModel,
        fusion: Fusion,
        took: Duration,
    ) -> Self {
        Self {
            hits: answer.hits.into_iter().map(SearchHit::from).collect(),
            next_cursor: answer.next_cursor,
            dropped_below_cutoff: answer.dropped,
            degraded: answer.degraded,
            model: model.id().map(str::to_owned),
            space: model.encoders().map(|encoders| encoders.space.space.clone()),
            table_version: answer.versions.embeddings,
            captions_version: Some(answer.versions.captions).filter(|version| *version > 0),
            weights: answer.weights,
            fusion,
            exact: answer.exact,
            took_ms: (took.as_secs_f64() * 1e5).round() / 100.0,
        }
    }
}

impl From<RankedHit> for SearchHit {
    fn from(hit: RankedHit) -> Self {
        let RankedHit { facts, score, signals, matched, caption, duplicates } = hit;
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
            signals: signals.into_iter().map(|(signal, score)| (signal.name(), score)).collect(),
            matched,
            width: facts.width,
            height: facts.height,
            taken_at: facts.taken_at,
            content_hash: facts.content_hash,
            thumbnail_url,
            url,
            caption: caption.into(),
            duplicates: named,
            duplicates_total: total,
        }
    }
}
