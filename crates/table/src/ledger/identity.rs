//! Which table lies at a place. A table that is dropped and made anew at the same place has other
//! rows under the same name, and its versions begin at 1 again.

use std::collections::HashMap;

use arrow::datatypes::{Schema, SchemaRef};
use lance::Dataset;

use crate::error::TableError;
use crate::ledger::Ledger;

// Keys of the schema's metadata.
const ID_KEY: &str = "bucketlens.table";
pub(crate) const SPACE_KEY: &str = "bucketlens.space";
pub(crate) const MANIFEST_HASH_KEY: &str = "bucketlens.manifest_hash";

/// Space and manifest hash that a schema notes.
pub(crate) fn noted(metadata: &HashMap<String, String>) -> Option<(String, String)> {
    Some((metadata.get(SPACE_KEY)?.clone(), metadata.get(MANIFEST_HASH_KEY)?.clone()))
}

/// A schema with a new id noted in it, for a table that is about to be made.
pub(crate) fn with_id(schema: &Schema) -> SchemaRef {
    let mut notes: HashMap<_, _> = schema.metadata().clone();
    notes.insert(ID_KEY.to_owned(), uuid::Uuid::new_v4().simple().to_string());
    schema.clone().with_metadata(notes).into()
}

/// What tells a table from one that was made in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableIdentity {
    /// `None` for a table that an earlier release made.
    id: Option<String>,
    version: u64,
    /// Space and manifest hash of its vectors, if they are noted.
    space: Option<(String, String)>,
}

impl TableIdentity {
    pub(super) fn of(dataset: &Dataset) -> Self {
        let notes = &dataset.schema().metadata;
        let version = dataset.manifest().version;
        Self { id: notes.get(ID_KEY).cloned(), version, space: noted(notes) }
    }

    /// Whether this is the same table, some versions later.
    fn is_followed_by(&self, newer: &Self) -> bool {
        self.id == newer.id && self.version <= newer.version
    }
}

impl Ledger {
    /// The id that the table got when it was made: one that is made anew in its place has another.
    /// Empty for a table that an earlier release made.
    pub fn id(&self) -> &str {
        self.identity.id.as_deref().unwrap_or_default()
    }

    /// Whether the table that this handle or snapshot was opened on is still the one at its place:
    /// `false` once it was dropped, even if it was made anew. A handle never finds out by itself,
    /// and everything remembered by version is wrong then: open the table again, and keep nothing.
    /// Asks the store each time, with one LIST and after a commit a GET. Of a table that an earlier
    /// release made, only a version going backwards tells it.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn is_same_table(&self) -> Result<bool, TableError> {
        let mut latest = self.opened.as_ref().clone();
        match latest.checkout_latest().await.map_err(TableError::of_lance(&self.name)) {
            Ok(()) => Ok(self.identity.is_followed_by(&TableIdentity::of(&latest))),
            Err(error) if error.is_missing() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Refuses if the table at this place was made anew since it was opened, for another space. One
    /// that noted no space then is not asked.
    pub(crate) async fn keeps_its_space(&self) -> Result<(), TableError> {
        let Some(opened) = &self.identity.space else { return Ok(()) };
        let schema = self.table.schema().await.map_err(TableError::of(&self.name))?;
        if noted(schema.metadata()).as_ref() == Some(opened) {
            return Ok(());
        }
        let problem = "was made anew for vectors of another model since it was opened: restart \
                       this process with the settings of the present model";
        Err(TableError::Mismatch { table: self.name.clone(), problem: problem.to_owned() })
    }

    /// This table at a snapshot, which stays the table that was opened.
    pub(super) fn at_version(&self, table: lancedb::Table, version: u64) -> Self {
        let identity = TableIdentity { version, ..self.identity.clone() };
        Self { table, identity, ..self.clone() }
    }

    /// Whether this is a version of the table that was opened.
    pub(super) fn is_of_this_table(&self, dataset: &Dataset) -> bool {
        self.identity.id == TableIdentity::of(dataset).id
    }
}
