//! Stamps of verified files: hashing gigabytes of weights at every start takes seconds, and a file
//! that has not changed since has the same hash.
//!
//! The stamps lie in the model's folder, beside the `model.toml` with the digests, so whoever could
//! forge one could as well change the other. A file without a matching stamp is hashed.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::sha256::sha256_of;

/// The file with the stamps, in a model's folder.
const FILE: &str = ".verified.json";
/// Largest accepted size of that file in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// A file that was written less than this before it was hashed gets no stamp: a second write within
/// one tick of the clock would leave no trace.
const SETTLED: Duration = Duration::from_secs(2);

/// What a file was when it was hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FileStamp {
    identity: FileIdentity,
    /// Hexadecimal.
    sha256: String,
}

/// What the file system knows about a file. It changes with every write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct FileIdentity {
    inode: u64,
    bytes: u64,
    /// Last write and last change of the inode: seconds since 1970 and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The stamps of a model's folder, by the path of the file in it.
#[derive(Debug, Default)]
pub(super) struct FileStamps {
    folder: PathBuf,
    known: BTreeMap<String, FileStamp>,
    is_new: bool,
}

impl FileStamps {
    /// Reads the stamps of a folder. None where there are none that can be read.
    pub(super) fn of(folder: &Path) -> FileStamps {
        let path = folder.join(FILE);
        let small = fs::metadata(&path).is_ok_and(|found| found.len() <= MAX_BYTES);
        let text = if small { fs::read(&path).unwrap_or_default() } else { Vec::new() };
        let known = serde_json::from_slice(&text).unwrap_or_default();
        FileStamps { folder: folder.to_owned(), known, is_new: false }
    }

    /// The SHA-256 of a file in hexadecimal, from its stamp if that says `expected`, else from its
    /// content.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn sha256(&mut self, file: &str, expected: &str) -> std::io::Result<String> {
        let path = self.folder.join(file);
        let before = FileIdentity::of(&fs::metadata(&path)?);
        if let Some(stamp) = self.known.get(file)
            && Some(stamp.identity) == before
            && stamp.sha256.eq_ignore_ascii_case(expected)
        {
            return Ok(stamp.sha256.clone());
        }
        let sha256 = hex::encode(sha256_of(&path)?);
        let after = fs::metadata(&path)?;
        if let Some(identity) = before.filter(|before| Some(*before) == FileIdentity::of(&after))
            && is_settled(&after)
        {
            self.known.insert(file.to_owned(), FileStamp { identity, sha256: sha256.clone() });
            self.is_new = true;
        }
        Ok(sha256)
    }

    /// Writes new stamps. A folder that cannot be written, as a read-only volume, has none: its
    /// files are hashed at the next start too.
    pub(super) fn save(&self) {
        if !self.is_new {
            return;
        }
        // Several processes may save at the same time.
        let part = self.folder.join(format!("{FILE}.{}.part", std::process::id()));
        let saved = serde_json::to_vec_pretty(&self.known)
            .map_err(std::io::Error::other)
            .and_then(|text| fs::write(&part, text))
            .and_then(|()| fs::rename(&part, self.folder.join(FILE)));
        if let Err(error) = saved {
            let _ = fs::remove_file(&part);
            tracing::debug!(folder = %self.folder.display(), %error, "no stamps of verified files");
        }
    }
}

impl FileIdentity {
    #[cfg(unix)]
    fn of(found: &Metadata) -> Option<FileIdentity> {
        use std::os::unix::fs::MetadataExt;

        Some(FileIdentity {
            inode: found.ino(),
            bytes: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }

    /// Other systems do not tell when an inode changed, so every file is hashed.
    #[cfg(not(unix))]
    fn of(_: &Metadata) -> Option<FileIdentity> {
        None
    }
}

fn is_settled(found: &Metadata) -> bool {
    let age = found.modified().ok().and_then(|then| SystemTime::now().duration_since(then).ok());
    age.is_some_and(|age| age >= SETTLED)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    const A: &str = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
    const B: &str = "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d";

    fn write(path: &Path, text: &str, age: Duration) {
        fs::write(path, text).unwrap();
        File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(SystemTime::now() - age)
            .unwrap();
    }

    /// Replaces the hash in the saved stamps, so that a use of the stamp can be seen.
    fn forge(folder: &Path, from: &str, to: &str) {
        let text = fs::read_to_string(folder.join(FILE)).unwrap();
        assert!(text.contains(from));
        fs::write(folder.join(FILE), text.replace(from, to)).unwrap();
    }

    #[test]
    fn an_unchanged_file_is_not_hashed_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        write(&path, "a", SETTLED * 2);
        let mut stamps = FileStamps::of(folder.path());
        assert_eq!(stamps.sha256("weights", A).unwrap(), A);
        stamps.save();

        forge(folder.path(), A, B);
        let mut stamps = FileStamps::of(folder.path());
        assert_eq!(stamps.sha256("weights", B).unwrap(), B, "the stamp was not used");
        // A stamp that does not say what the manifest says counts for nothing.
        assert_eq!(FileStamps::of(folder.path()).sha256("weights", A).unwrap(), A);
    }

    #[test]
    fn whatever_differs_is_hashed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        let age = SETTLED * 2;
        let stamped = |change: &dyn Fn()| {
            let _ = fs::remove_file(folder.path().join(FILE));
            write(&path, "a", age);
            let mut stamps = FileStamps::of(folder.path());
            stamps.sha256("weights", A).unwrap();
            stamps.save();
            change();
            FileStamps::of(folder.path()).sha256("weights", A).unwrap()
        };
        assert_eq!(stamped(&|| ()), A);
        assert_eq!(stamped(&|| write(&path, "b", age)), B, "same size");
        // The same size and the same time of the last write. The clock of inodes ticks slowly.
        let rewritten = || {
            let before = fs::metadata(&path).unwrap();
            let changed = || FileIdentity::of(&fs::metadata(&path).unwrap()).unwrap().changed;
            let then = changed();
            while changed() == then {
                fs::write(&path, "b").unwrap();
                let file = File::options().write(true).open(&path).unwrap();
                file.set_modified(before.modified().unwrap()).unwrap();
            }
        };
        assert_eq!(stamped(&rewritten), B, "same time");
        let replaced = || {
            let other = folder.path().join("other");
            write(&other, "b", age);
            fs::rename(&other, &path).unwrap();
        };
        assert_eq!(stamped(&replaced), B, "another inode");
        assert_eq!(stamped(&|| fs::write(folder.path().join(FILE), "{\"x\": 1}").unwrap()), A);
    }

    #[test]
    fn a_file_that_was_just_written_gets_no_stamp() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("weights"), "a", Duration::ZERO);
        let mut stamps = FileStamps::of(folder.path());
        assert_eq!(stamps.sha256("weights", A).unwrap(), A);
        stamps.save();
        assert!(!folder.path().join(FILE).exists());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("weights"), "a", SETTLED * 2);
        // A folder in its place: a test as root may write anywhere else.
        fs::create_dir(folder.path().join(FILE)).unwrap();
        let mut stamps = FileStamps::of(folder.path());
        assert_eq!(stamps.sha256("weights", A).unwrap(), A);
        stamps.save();
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 2, "a part was left behind");
    }
}
