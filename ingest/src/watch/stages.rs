//! The stages ingest works for. All that is kept per stage stands in one order: that of
//! `stages.models`, without those that are being removed, then that of `stages.captioners`.

use std::sync::Arc;

use pipeline::models::Models;
use pipeline::stage_kind::StageKind;
use pipeline::stage_name::StageName;
use table::{captions, embeddings};
use tokio::sync::watch;

use crate::published::Published;
use crate::settings::StageSettings;

/// Operators' decisions as last read; `None` until they could be read once.
pub(crate) type Decided = watch::Receiver<Option<Models>>;

/// One stage.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) stage: StageName,
    /// What is on its way to its workers.
    pub(crate) published: Published,
}

/// All of them, and which is that of the active model. Clones share it.
#[derive(Clone)]
pub(crate) struct ServedStages {
    all: Arc<[Served]>,
    decided: Decided,
}

impl ServedStages {
    pub(crate) fn new(all: Vec<Served>, decided: Decided) -> Self {
        Self { all: all.into(), decided }
    }

    /// In their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Served)> + Clone {
        self.all.iter().enumerate()
    }

    /// Place of the model that answers searches. One that is not served here cannot be waited for:
    /// then the first counts.
    pub(crate) fn active(&self) -> usize {
        let decided = self.decided.borrow();
        let active = decided.as_ref().and_then(|decided| decided.active.as_deref());
        let active = active.map(StageName::embed);
        active
            .and_then(|active| self.all.iter().position(|served| served.stage == active))
            .unwrap_or(0)
    }
}

/// Those of the set models that are not being removed.
pub(crate) fn kept(set: &[String], decided: &Models) -> Vec<String> {
    set.iter().filter(|id| !decided.is_removed(&StageName::embed(id))).cloned().collect()
}

/// The stages of the set models that are not being removed, then those of such captioners.
pub(crate) fn stages(set: &StageSettings, decided: &Models) -> Vec<StageName> {
    let models = kept(&set.models, decided);
    let captioners = set
        .captioners
        .iter()
        .filter(|id| !decided.is_removed(&StageName::caption(id)))
        .map(|id| StageName::caption(id));
    models.iter().map(|id| StageName::embed(id)).chain(captioners).collect()
}

/// Name of the table that the workers of a stage fill.
pub(crate) fn table_of(stage: &StageName) -> String {
    match stage.kind() {
        StageKind::Embed => embeddings::name(stage.id()),
        StageKind::Caption => captions::name(stage.id()),
    }
}

/// The model that answers searches: the chosen one, or the first that is set.
pub(crate) fn active_of<'a>(set: &'a [String], decided: &'a Models) -> &'a str {
    decided.active.as_deref().or_else(|| set.first().map(String::as_str)).unwrap_or_default()
}
