//! Files of the snapshot on the local disk: exact vectors and records, which are too large for
//! memory, and a copy of the rest for the next start. All of them may be deleted at any time. Where
//! no folder is set, they have no name and are gone with the process.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::snapshot::records::RecordFile;
use ::snapshot::vectors::VectorFile;

/// Names of the files of one snapshot.
const RECORDS: &str = "records";
const IMAGES: &str = "images.f32";
const CAPTIONS: &str = "captions.f32";
const STATE: &str = "state";
/// Folders of snapshots begin with this.
const FOLDER: &str = "snapshot-";

/// The folder of local files. It is locked: two processes do not share it.
#[derive(Debug)]
pub(crate) struct LocalFolder {
    path: Option<PathBuf>,
    _lock: Option<File>,
}

/// The files of one snapshot.
#[derive(Debug, Clone)]
pub(super) struct SnapshotFiles {
    /// `None`: files without a name.
    folder: Option<PathBuf>,
}

impl LocalFolder {
    /// The folder of the settings; empty: none. A folder that cannot be used, or that another
    /// process uses, is reported and done without.
    pub(crate) fn open(folder: &Path) -> Self {
        if folder.as_os_str().is_empty() {
            return Self { path: None, _lock: None };
        }
        let path = folder.to_owned();
        match lock(&path) {
            Ok(lock) => Self { path: Some(path), _lock: Some(lock) },
            Err(error) => {
                tracing::warn!(
                    folder = %folder.display(),
                    %error,
                    "cache.folder cannot be used, or another process uses it: the snapshot is not \
                     kept for the next start"
                );
                Self { path: None, _lock: None }
            }
        }
    }

    /// The files of the snapshot of what `identity` names. Those of other snapshots are deleted.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub(super) fn files(&self, identity: &str) -> io::Result<SnapshotFiles> {
        let Some(path) = &self.path else { return Ok(SnapshotFiles { folder: None }) };
        let name = format!("{FOLDER}{}", &blake3::hash(identity.as_bytes()).to_hex()[..16]);
        for entry in std::fs::read_dir(path)?.flatten() {
            let other = entry.file_name();
            let is_ours = other.to_string_lossy().starts_with(FOLDER);
            if is_ours && other != name.as_str() {
                std::fs::remove_dir_all(entry.path())?;
            }
        }
        let folder = path.join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(SnapshotFiles { folder: Some(folder) })
    }
}

fn lock(path: &Path) -> io::Result<File> {
    std::fs::create_dir_all(path)?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.join("searcher.lock"))?;
    file.try_lock()?;
    Ok(file)
}

impl SnapshotFiles {
    /// An empty file of records.
    pub(super) fn new_records(&self) -> io::Result<Arc<RecordFile>> {
        let file = match &self.folder {
            Some(folder) => RecordFile::open(&fresh(folder, RECORDS)?, 0)?,
            None => RecordFile::anonymous(None)?,
        };
        Ok(Arc::new(file))
    }

    /// The file of records whose first `end` bytes hold.
    pub(super) fn records(&self, end: u64) -> io::Result<Arc<RecordFile>> {
        Ok(Arc::new(RecordFile::open(&self.path(RECORDS)?, end)?))
    }

    /// An empty file of vectors, of captions or else of pictures.
    pub(super) fn new_vectors(&self, captions: bool, dim: usize) -> io::Result<Arc<VectorFile>> {
        let name = if captions { CAPTIONS } else { IMAGES };
        let file = match &self.folder {
            Some(folder) => VectorFile::create(&fresh(folder, name)?, dim)?,
            None => VectorFile::anonymous(None, dim)?,
        };
        Ok(Arc::new(file))
    }

    /// The file of vectors whose first rows hold.
    pub(super) fn vectors(
        &self,
        captions: bool,
        dim: usize,
        rows: u32,
    ) -> io::Result<Arc<VectorFile>> {
        let name = if captions { CAPTIONS } else { IMAGES };
        Ok(Arc::new(VectorFile::open(&self.path(name)?, dim, rows)?))
    }

    /// The copy for the next start; `None` where nothing is kept.
    pub(super) fn state(&self) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(STATE))
    }

    /// Deletes the copy for the next start: it does not fit any more.
    pub(super) fn forget(&self) {
        if let Some(state) = self.state() {
            // It may never have been written.
            let _ = std::fs::remove_file(state);
        }
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.folder.as_ref().ok_or_else(|| io::Error::other("nothing is kept"))?;
        Ok(folder.join(name))
    }
}

/// The path of a new file. A former one is deleted, not overwritten, because searches may still be
/// reading it.
fn fresh(folder: &Path, name: &str) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(name);
    match std::fs::remove_file(&path) {
        Ok(()) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path),
        Err(error) => Err(error),
    }
}
