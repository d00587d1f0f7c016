//! One table as ingest sees it: which object versions have a row in it.

use std::collections::HashSet;
use std::sync::Arc;

use futures::TryStreamExt;
use pipeline::caption_prompt::CaptionPrompt;
use pipeline::stage_kind::StageKind;
use pipeline::stage_name::StageName;
use pipeline::{ImageId, ObjectRef};
use table::captions::{self, Captions};
use table::inspect::TableColumns;
use table::ledger::{Ledger, StoredVersion};
use table::schema::{captions_schema, embeddings_schema};
use table::{Database, TableError, embeddings, images};
use tokio::sync::OnceCell;

use super::ids::Ids;

/// A table that may not exist yet, because its workers make it. Clones share the handle, which is
/// opened when it is first needed.
#[derive(Clone)]
pub(crate) struct WatchedTable {
    database: Database,
    name: Arc<str>,
    ledger: Arc<OnceCell<Ledger>>,
}

/// The tables of one kind of stage: how they are named, and their columns.
struct TableKind {
    of_id: fn(&str) -> String,
    id_of: fn(&str) -> Option<&str>,
    columns: TableColumns,
}

fn tables_of(kind: StageKind) -> TableKind {
    match kind {
        StageKind::Embed => TableKind {
            of_id: embeddings::name,
            id_of: embeddings::model_of,
            columns: embeddings_schema,
        },
        StageKind::Caption => TableKind {
            of_id: captions::name,
            id_of: captions::captioner_of,
            columns: captions_schema,
        },
    }
}

/// Columns of the table that the workers of a stage fill.
pub(crate) fn columns_of(stage: &StageName) -> TableColumns {
    tables_of(stage.kind()).columns
}

/// Name of the table that the workers of a stage fill.
pub(crate) fn table_of(stage: &StageName) -> String {
    (tables_of(stage.kind()).of_id)(stage.id())
}

/// The stage whose workers fill this table; `None` for `images` and for foreign tables.
pub(crate) fn stage_of(table: &str) -> Option<StageName> {
    let of_kind =
        |kind: StageKind| (tables_of(kind).id_of)(table).map(|id| StageName::new(kind, id));
    StageKind::ALL.into_iter().find_map(of_kind)
}

impl WatchedTable {
    /// The table `images`, which has a row for every indexed object version.
    pub(crate) fn images(database: &Database) -> Self {
        Self::named(database, images::NAME)
    }

    /// The table that the workers of a stage fill.
    pub(crate) fn of_stage(database: &Database, stage: &StageName) -> Self {
        Self::named(database, &table_of(stage))
    }

    fn named(database: &Database, name: &str) -> Self {
        Self { database: database.clone(), name: name.into(), ledger: Arc::default() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    async fn ledger(&self) -> Result<Option<&Ledger>, TableError> {
        if let Some(ledger) = self.ledger.get() {
            return Ok(Some(ledger));
        }
        let Some(ledger) = Ledger::open(&self.database, &self.name).await? else {
            return Ok(None);
        };
        Ok(Some(self.ledger.get_or_init(|| std::future::ready(ledger)).await))
    }

    /// Its newest version; `None` while the table does not exist.
    pub(crate) async fn version(&self) -> Result<Option<u64>, TableError> {
        match self.ledger().await? {
            Some(ledger) => Ok(Some(ledger.version().await?)),
            None => Ok(None),
        }
    }

    /// Number of rows, spare ones included; `None` while the table does not exist.
    pub(crate) async fn rows(&self) -> Result<Option<usize>, TableError> {
        match self.ledger().await? {
            Some(ledger) => Ok(Some(ledger.count_rows().await?)),
            None => Ok(None),
        }
    }

    /// Which of these object versions have a row.
    pub(crate) async fn having(&self, ids: &[ImageId]) -> Result<Vec<ImageId>, TableError> {
        match self.ledger().await? {
            Some(ledger) => Ok(parsed(&ledger.existing(&texts(ids)).await?)),
            None => Ok(Vec::new()),
        }
    }

    /// Whether this object version has a row.
    pub(crate) async fn has(&self, object: &ObjectRef) -> Result<bool, TableError> {
        Ok(!self.having(&[object.image_id()]).await?.is_empty())
    }

    /// The ids of all rows, or of the rows whose key begins with `prefix`. 16 bytes each.
    pub(crate) async fn ids(&self, prefix: Option<&str>) -> Result<Ids, TableError> {
        let Some(ledger) = self.ledger().await? else { return Ok(Ids::default()) };
        // Counted first, so that the list does not grow by doubling.
        let rows = if prefix.is_none() { ledger.count_rows().await? } else { 0 };
        let mut ids = Vec::with_capacity(rows + rows / 16);
        let mut stream = ledger.ids_with(prefix).await?;
        while let Some(some) = stream.try_next().await? {
            ids.extend(some.iter().filter_map(|id| id.parse::<ImageId>().ok()));
        }
        Ok(Ids::new(ids))
    }

    /// All stored versions of one object.
    pub(super) async fn versions_of(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<Vec<ImageId>, TableError> {
        let Some(ledger) = self.ledger().await? else { return Ok(Vec::new()) };
        let rows = ledger.versions_of(bucket, key).await?;
        Ok(rows.iter().filter_map(|row| row.image_id.parse().ok()).collect())
    }

    /// Bucket and key of the rows of these object versions.
    pub(super) async fn locate(&self, ids: &[ImageId]) -> Result<Vec<StoredVersion>, TableError> {
        match self.ledger().await? {
            Some(ledger) => ledger.locate(&texts(ids)).await,
            None => Ok(Vec::new()),
        }
    }

    /// Removes the rows of these object versions.
    pub(super) async fn remove(&self, ids: &[ImageId]) -> Result<(), TableError> {
        match self.ledger().await? {
            Some(ledger) => ledger.delete(&texts(ids)).await,
            None => Ok(()),
        }
    }
}

/// Object versions whose caption was written with another prompt, model or language than this.
pub(super) async fn outdated_captions(
    database: &Database,
    captioner: &str,
    prompt: &CaptionPrompt,
) -> Result<HashSet<ImageId>, TableError> {
    let Some(captions) = Captions::open(database, captioner).await? else {
        return Ok(HashSet::new());
    };
    let outdated = captions.outdated(&prompt.provider, &prompt.prompt_hash).await?;
    Ok(parsed(&outdated))
}

fn texts(ids: &[ImageId]) -> Vec<String> {
    ids.iter().map(ImageId::to_string).collect()
}

/// Ids that this release cannot read are left out.
fn parsed<'a, T: FromIterator<ImageId>>(ids: impl IntoIterator<Item = &'a String>) -> T {
    ids.into_iter().filter_map(|id| id.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_and_its_table_name_each_other() {
        for kind in StageKind::ALL {
            let stage = StageName::new(kind, "some-id");
            assert_eq!(stage_of(&table_of(&stage)), Some(stage));
        }
        assert_eq!(stage_of(images::NAME), None);
    }
}
