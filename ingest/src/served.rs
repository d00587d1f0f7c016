//! The models ingest works for. All that is kept per model stands in one order: that of `stages.models`, without those
//! that are being removed.

use std::sync::Arc;

use pipeline::job::StageName;
use pipeline::models::Models;
use tokio::sync::watch;

use crate::published::Published;

/// Operators' decisions as last read; `None` until they could be read once.
pub(crate) type Decided = watch::Receiver<Option<Models>>;

/// One model.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) id: String,
    pub(crate) stage: StageName,
    /// What is on its way to its workers.
    pub(crate) published: Published,
}

/// All of them, and which is the active one. Clones share it.
#[derive(Clone)]
pub(crate) struct ServedModels {
    all: Arc<[Served]>,
    decided: Decided,
}

impl ServedModels {
    pub(crate) fn new(all: Vec<Served>, decided: Decided) -> Self {
        Self { all: all.into(), decided }
    }

    /// In their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Served)> + Clone {
        self.all.iter().enumerate()
    }

    /// Place of the one that answers searches. One that is not served here cannot be waited for: then the first counts.
    pub(crate) fn active(&self) -> usize {
        let decided = self.decided.borrow();
        let active = decided.as_ref().and_then(|decided| decided.active.as_deref());
        active.and_then(|active| self.all.iter().position(|served| served.id == active)).unwrap_or(0)
    }
}

/// Those of the set models that are not being removed.
pub(crate) fn kept(set: &[String], decided: &Models) -> Vec<String> {
    set.iter().filter(|id| !decided.is_removed(id)).cloned().collect()
}

/// The model that answers searches: the chosen one, or the first that is set.
pub(crate) fn active_of<'a>(set: &'a [String], decided: &'a Models) -> &'a str {
    decided.active.as_deref().or_else(|| set.first().map(String::as_str)).unwrap_or_default()
}
