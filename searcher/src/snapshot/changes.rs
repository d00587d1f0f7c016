//! What a new version of a table changed, and how it is taken in.

use std::collections::{HashMap, HashSet};

use futures::TryStreamExt;
use table::ledger::Ledger;
use table::rows::{Row, RowKind, TableLayout, address};

use super::build::{FollowError, SnapshotBuild, TableRole};

/// Unknown rows that are read one by one; more of them are read with all rows around them.
const MAX_TAKEN: usize = 2048;
/// Stands for a row that is deleted, or not read yet.
const GONE: u32 = u32::MAX;

/// A fragment whose rows are in the snapshot.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownFragment {
    /// The number of each row, by its place.
    pub(super) numbers: Vec<u32>,
    pub(super) deletions: Option<(u64, u64)>,
}

/// A table as far as it is in the snapshot.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownTable {
    pub(super) version: u64,
    pub(super) fragments: HashMap<u64, KnownFragment>,
    /// Rows that are not deleted.
    pub(super) rows: usize,
}

impl TableRole {
    /// What is read of the rows of this table.
    pub(super) fn rows(self) -> RowKind {
        match self {
            Self::Embeddings => RowKind::Embeddings,
            Self::Captions => RowKind::Captions,
            Self::Images => RowKind::Facts,
        }
    }
}

impl KnownTable {
    /// Counts the rows again.
    pub(super) fn count_rows(&mut self) {
        let numbers = self.fragments.values().flat_map(|fragment| &fragment.numbers);
        self.rows = numbers.filter(|number| **number != GONE).count();
    }

    /// Takes a version of a table in: first the rows that came, then those that went, so that a row
    /// that only moved is never missing.
    ///
    /// # Errors
    /// The store did not answer or refused, or a local file cannot be used.
    pub(super) async fn advance(
        &mut self,
        build: &mut SnapshotBuild,
        role: TableRole,
        pinned: &Ledger,
        layout: &TableLayout,
    ) -> Result<(), FollowError> {
        let now: HashSet<u64> = layout.fragments.iter().map(|fragment| fragment.id).collect();
        let gone: Vec<u64> =
            self.fragments.keys().copied().filter(|id| !now.contains(id)).collect();
        let added: Vec<u64> =
            now.into_iter().filter(|id| !self.fragments.contains_key(id)).collect();
        for fragment in layout.fragments.iter().filter(|fragment| added.contains(&fragment.id)) {
            let numbers = vec![GONE; fragment.rows as usize];
            let known = KnownFragment { numbers, deletions: fragment.deletions };
            self.fragments.insert(fragment.id, known);
        }
        self.read_added(build, role, pinned, &added, !gone.is_empty()).await?;
        for fragment in &layout.fragments {
            let known = self.fragments.get(&fragment.id).and_then(|known| known.deletions);
            if known != fragment.deletions {
                let places = pinned.deleted_places(fragment.id).await?;
                self.release(build, role, fragment.id, Some(&places));
                if let Some(known) = self.fragments.get_mut(&fragment.id) {
                    known.deletions = fragment.deletions;
                }
            }
        }
        for id in gone {
            self.release(build, role, id, None);
            self.fragments.remove(&id);
        }
        self.version = layout.version;
        Ok(())
    }

    async fn read_added(
        &mut self,
        build: &mut SnapshotBuild,
        role: TableRole,
        pinned: &Ledger,
        added: &[u64],
        may_have_moved: bool,
    ) -> Result<(), FollowError> {
        if added.is_empty() {
            return Ok(());
        }
        // After a compaction most rows are known. Pictures are known from the other tables.
        if !may_have_moved && role != TableRole::Images {
            return self.read_all(build, role, pinned, added).await;
        }
        let mut unknown = Vec::new();
        let mut batches = pinned.scan_fragments(added, RowKind::Identities).await?;
        while let Some(batch) = batches.try_next().await? {
            let (known, others): (Vec<Row>, Vec<Row>) = batch
                .rows
                .into_iter()
                .partition(|row| build.is_known(role, row.image_id, row.written).is_some());
            self.take_in(build, role, known)?;
            unknown.extend(others.into_iter().map(|row| row.address));
        }
        if unknown.len() > MAX_TAKEN {
            let fragments: HashSet<u64> = unknown.iter().map(|address| address >> 32).collect();
            return self.read_all(build, role, pinned, &Vec::from_iter(fragments)).await;
        }
        if !unknown.is_empty() {
            let taken = pinned.take_rows(&unknown, role.rows()).await?;
            self.take_in(build, role, taken.rows)?;
        }
        Ok(())
    }

    /// Reads all rows of some fragments that are not in the snapshot yet.
    async fn read_all(
        &mut self,
        build: &mut SnapshotBuild,
        role: TableRole,
        pinned: &Ledger,
        fragments: &[u64],
    ) -> Result<(), FollowError> {
        let mut batches = pinned.scan_fragments(fragments, role.rows()).await?;
        while let Some(batch) = batches.try_next().await? {
            let is_new = |row: &Row| self.number(row.address).is_none_or(|number| number == GONE);
            let rows = batch.rows.into_iter().filter(is_new).collect();
            self.take_in(build, role, rows)?;
        }
        Ok(())
    }

    fn number(&self, address: u64) -> Option<u32> {
        self.fragments.get(&(address >> 32))?.numbers.get(address as u32 as usize).copied()
    }

    fn take_in(
        &mut self,
        build: &mut SnapshotBuild,
        role: TableRole,
        rows: Vec<Row>,
    ) -> Result<(), FollowError> {
        let addresses: Vec<u64> = rows.iter().map(|row| row.address).collect();
        for (address, number) in addresses.into_iter().zip(build.take_in(role, rows)?) {
            let fragment = self.fragments.get_mut(&(address >> 32));
            let place = fragment.and_then(|known| known.numbers.get_mut(address as u32 as usize));
            *place.ok_or(FollowError::Misfit("a row has no place"))? = number;
            self.rows += 1;
        }
        if build.should_settle() {
            build.settle()?;
        }
        Ok(())
    }

    /// The rows at these places of a fragment, or all of them, are gone.
    fn release(
        &mut self,
        build: &mut SnapshotBuild,
        role: TableRole,
        fragment: u64,
        places: Option<&[u32]>,
    ) {
        let Some(known) = self.fragments.get_mut(&fragment) else { return };
        let all = match places {
            Some(_) => Vec::new(),
            None => (0..known.numbers.len() as u32).collect(),
        };
        for place in places.unwrap_or(&all) {
            let Some(number) = known.numbers.get_mut(*place as usize) else { continue };
            let gone = std::mem::replace(number, GONE);
            if gone == GONE {
                continue;
            }
            self.rows = self.rows.saturating_sub(1);
            build.counts(role).remove(gone);
            let slot = match role {
                TableRole::Captions => build.captions.picture(gone),
                TableRole::Embeddings | TableRole::Images => Some(gone),
            };
            build.touched.extend(slot);
        }
    }

    /// Where a row of each of these numbers lies; numbers without a row are left out.
    pub(super) fn addresses_of(&self, numbers: &HashSet<u32>) -> Vec<u64> {
        let places = |(id, known): (&u64, &KnownFragment)| -> Vec<u64> {
            let wanted = (0..).zip(&known.numbers).filter(|(_, number)| numbers.contains(number));
            wanted.map(|(place, _)| address(*id, place)).collect()
        };
        self.fragments.iter().flat_map(places).collect()
    }
}
