//! The snapshot under construction, with its files and the tables as far as they are taken in.

use std::io;
use std::time::{Duration, Instant};

use ::snapshot::records::RecordError;
use ::snapshot::vectors::Vectors;

use super::build::{FollowError, SnapshotBuild, TableRole};
use super::changes::KnownTable;
use super::local::{LocalFolder, SnapshotFiles};
use super::newest_tables::NewestTables;
use super::save::{self, SavedState};
use super::upkeep::BackgroundWork;
use super::{SearchSnapshot, TableVersions};

/// So many pictures that are gone do no harm.
const MAX_GONE: usize = 100_000;
/// Least time between two copies for the next start.
const SAVE_PAUSE: Duration = Duration::from_secs(300);
const ROLES: [TableRole; 3] = [TableRole::Embeddings, TableRole::Captions, TableRole::Images];

/// The snapshot under construction, and where its files are.
pub(super) struct Following {
    pub(super) identity: String,
    pub(super) files: SnapshotFiles,
    pub(super) build: SnapshotBuild,
    tables: [KnownTable; 3],
    pub(super) upkeep: BackgroundWork,
    saved: Option<(Instant, TableVersions)>,
}

impl Following {
    /// Begins with the copy of a former process, or with nothing. `identity` names what the
    /// snapshot is of.
    ///
    /// # Errors
    /// The local files cannot be made.
    pub(super) fn begin(folder: &LocalFolder, identity: String) -> Result<Self, FollowError> {
        let files = folder.files(&identity).map_err(local)?;
        let (build, tables) = match save::read(&files, &identity) {
            Some(saved) => saved,
            None => {
                let records = files.new_records().map_err(local)?;
                (SnapshotBuild::new(records, None, None), Default::default())
            }
        };
        Ok(Self { identity, files, build, tables, upkeep: BackgroundWork::default(), saved: None })
    }

    /// The versions that are taken in.
    pub(super) fn versions(&self) -> TableVersions {
        let [embeddings, captions, images] = self.tables.each_ref().map(|table| table.version);
        TableVersions { embeddings, captions, images }
    }

    /// The snapshot of what is taken in.
    pub(super) fn snapshot(&self, former: Option<&SearchSnapshot>) -> SearchSnapshot {
        let rows = self.tables.each_ref().map(|table| table.rows);
        self.build.snapshot(self.versions(), rows, former)
    }

    /// Whether most of what is kept is of pictures that are gone, so that it is worth to begin
    /// anew.
    pub(super) fn is_mostly_gone(&self) -> bool {
        let vectors = [&self.build.image_vectors, &self.build.caption_vectors];
        let kept = vectors
            .into_iter()
            .flatten()
            .map(|vectors| (vectors.file_rows() as usize, vectors.len()));
        let pictures = (self.build.pictures.len(), self.build.shown.count());
        kept.chain([pictures]).any(|(all, alive)| all > 2 * alive + MAX_GONE)
    }

    /// Takes the newest versions in.
    ///
    /// # Errors
    /// The store did not answer or refused, or a local file cannot be used.
    pub(super) async fn advance(&mut self, newest: &NewestTables) -> Result<(), FollowError> {
        self.make_vector_files(newest)?;
        for ((known, newest), role) in self.tables.iter_mut().zip(&newest.ledgers).zip(ROLES) {
            let Some((ledger, layout)) = newest else { continue };
            if layout.version != known.version {
                known.advance(&mut self.build, role, ledger, layout).await?;
            }
        }
        self.build.settle()?;
        self.read_lacking(newest).await
    }

    /// Vectors begin when their table exists.
    fn make_vector_files(&mut self, newest: &NewestTables) -> Result<(), FollowError> {
        let build = [&mut self.build.image_vectors, &mut self.build.caption_vectors];
        for ((known, dim), captions) in build.into_iter().zip(newest.dims).zip([false, true]) {
            if let (None, Some(dim)) = (&known, dim) {
                let file = self.files.new_vectors(captions, dim).map_err(local)?;
                *known = Some(Vectors::empty(file));
            }
        }
        Ok(())
    }

    /// Reads the vectors of captions that count again, because later ones are gone.
    async fn read_lacking(&mut self, newest: &NewestTables) -> Result<(), FollowError> {
        let lacking = std::mem::take(&mut self.build.lacking);
        let (false, [_, Some((ledger, _)), _]) = (lacking.is_empty(), &newest.ledgers) else {
            return Ok(());
        };
        let [_, captions, _] = &self.tables;
        let addresses = captions.addresses_of(&lacking);
        let taken = ledger.take_rows(&addresses, TableRole::Captions.rows()).await?;
        let mut vectors = Vec::new();
        for row in taken.rows {
            let number = self.build.is_known(TableRole::Captions, row.image_id, row.written);
            vectors.extend(number.zip(row.vector));
        }
        self.build.add_caption_vectors(&vectors)
    }

    /// Writes the copy for the next start, if the last one is old.
    pub(super) fn save_if_due(&mut self) {
        let versions = self.versions();
        let is_due =
            self.saved.is_none_or(|(at, saved)| saved != versions && at.elapsed() > SAVE_PAUSE);
        if !is_due || self.files.state().is_none() {
            return;
        }
        self.saved = Some((Instant::now(), versions));
        let state = SavedState {
            identity: self.identity.clone(),
            snapshot: self.snapshot(None),
            tables: self.tables.clone(),
            counts: [
                self.build.embedded.clone(),
                self.build.captioned.clone(),
                self.build.imaged.clone(),
            ],
        };
        let files = self.files.clone();
        // Following goes on meanwhile.
        tokio::task::spawn_blocking(move || {
            if let Err(error) = state.write(&files) {
                tracing::warn!(%error, "the snapshot cannot be kept for the next start");
            }
        });
    }
}

fn local(error: io::Error) -> FollowError {
    FollowError::Record(RecordError::Io(error))
}
