//! What pages of the library read: the snapshot, or the table itself while there is none.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use table::images::Images;
use table::schema::Facts;
use table::timeline::{Moment, Timeline};

use super::app::App;
use crate::problem::{self, Problem};
use crate::snapshot::{SearchSnapshot, SnapshotSlot};

/// All pictures by date, newest first.
pub(super) enum LibraryView {
    /// In memory.
    Memory(Arc<SearchSnapshot>, Arc<SnapshotSlot>),
    /// On the bucket. Without a table there is no picture.
    Table(Option<Arc<Images>>, Arc<Timeline>),
}

impl LibraryView {
    /// The newest pictures.
    ///
    /// # Errors
    /// The table cannot be read.
    pub(super) async fn newest(app: &App) -> Result<Self, Problem> {
        let slot = Arc::clone(&app.engine.model().snapshots);
        if let Some(snapshot) = slot.newest() {
            let sorting = Arc::clone(&snapshot);
            // The first page of a new version may have to sort.
            let sorted = tokio::task::spawn_blocking(move || sorting.by_date().slots().len()).await;
            sorted.map_err(|panic| Problem::unavailable("the library cannot be sorted", panic))?;
            return Ok(Self::Memory(snapshot, slot));
        }
        let Some(images) = app.engine.images().await.map_err(problem::tables)? else {
            return Ok(Self::Table(None, Arc::default()));
        };
        let timeline = app.timelines.newest(images.ledger()).await.map_err(problem::tables)?;
        Ok(Self::Table(Some(images), timeline))
    }

    /// Version of the table of pictures.
    pub(super) fn version(&self) -> u64 {
        match self {
            Self::Memory(snapshot, _) => snapshot.versions.images,
            Self::Table(_, timeline) => timeline.version,
        }
    }

    /// Places of the pictures from `from` to before `before`, in microseconds since 1970.
    pub(super) fn between(&self, from: Option<i64>, before: Option<i64>) -> Range<usize> {
        match self {
            Self::Memory(snapshot, _) => snapshot.by_date().between(from, before),
            Self::Table(_, timeline) => timeline.between(from, before),
        }
    }

    /// The place after a moment, whether its picture is still there or not.
    pub(super) fn after(&self, moment: Moment) -> usize {
        match self {
            Self::Memory(snapshot, _) => {
                let Moment { at, image_id } = moment;
                snapshot.by_date().after(&snapshot.pictures, at, image_id)
            }
            Self::Table(_, timeline) => timeline.after(moment),
        }
    }

    /// The moments at some places.
    pub(super) fn moments(&self, places: Range<usize>) -> Vec<Moment> {
        match self {
            Self::Memory(snapshot, _) => {
                let order = snapshot.by_date();
                let slots = order.slots().get(places.clone()).unwrap_or_default().iter();
                let dates = order.dates().get(places).unwrap_or_default().iter();
                let moment = |(slot, at): (&u32, &i64)| {
                    Some(Moment { at: *at, image_id: snapshot.pictures.id(*slot)? })
                };
                slots.zip(dates).filter_map(moment).collect()
            }
            Self::Table(_, timeline) => timeline.slice(places).to_vec(),
        }
    }

    /// The dates of all pictures, newest first, in microseconds since 1970.
    pub(super) fn dates(&self) -> Cow<'_, [i64]> {
        match self {
            Self::Memory(snapshot, _) => Cow::Borrowed(snapshot.by_date().dates()),
            Self::Table(_, timeline) => Cow::Owned(timeline.dates()),
        }
    }

    /// Facts of the pictures of these moments; `None` for one that is gone.
    ///
    /// # Errors
    /// The table or the local file cannot be read.
    pub(super) async fn facts(&self, moments: &[Moment]) -> Result<Vec<Option<Facts>>, Problem> {
        match self {
            Self::Memory(snapshot, slot) => {
                let read = |moment: &Moment| {
                    let known = snapshot.slot(moment.image_id);
                    known.map(|known| snapshot.facts(known)).transpose()
                };
                let facts: Result<Vec<_>, _> = moments.iter().map(read).collect();
                facts.map_err(|error| {
                    slot.report_damage();
                    Problem::unavailable("the local snapshot cannot be read; try again", error)
                })
            }
            Self::Table(Some(images), _) if !moments.is_empty() => {
                let id = |moment: &Moment| format!("{:032x}", moment.image_id);
                let ids: Vec<_> = moments.iter().map(id).collect();
                let mut facts = images.ledger().facts(&ids).await.map_err(problem::tables)?;
                Ok(ids.iter().map(|id| facts.remove(id)).collect())
            }
            Self::Table(..) => Ok(moments.iter().map(|_| None).collect()),
        }
    }
}
