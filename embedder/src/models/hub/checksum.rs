//! The checksum by which a hub knows a file.

use std::fs::File;
use std::io::{Read, Result};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// How a hub knows a file: a large one by its SHA-256, a small one by its name in git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::models) enum Checksum {
    /// Hexadecimal.
    Sha256(String),
    /// Hexadecimal SHA-1 of `blob`, a space, the size, a zero byte, and the content.
    GitBlob(String),
}

impl Checksum {
    /// The SHA-256 of a file if it has this size and this checksum, else `None`. Reads the whole
    /// file, so it blocks.
    pub(in crate::models) fn verify(&self, path: &Path, bytes: u64) -> Result<Option<String>> {
        let mut file = File::open(path)?;
        if file.metadata()?.len() != bytes {
            return Ok(None);
        }
        let (mut sha256, mut git) = (Sha256::new(), Sha1::new());
        git.update(format!("blob {bytes}\0"));
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = file.read(&mut buffer)?;
            let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else { break };
            sha256.update(read);
            if matches!(self, Self::GitBlob(_)) {
                git.update(read);
            }
        }
        let sha256 = hex::encode(sha256.finalize());
        let (expected, found) = match self {
            Self::Sha256(expected) => (expected, sha256.clone()),
            Self::GitBlob(expected) => (expected, hex::encode(git.finalize())),
        };
        Ok(found.eq_ignore_ascii_case(expected).then_some(sha256))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_if_size_and_checksum_are_right() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "hello\n").unwrap();
        let sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        // As `git hash-object` prints it.
        let git = "ce013625030ba8dba906f756967f9e9ca394464a";
        for (checksum, bytes, whole) in [
            (Checksum::Sha256(sha256.to_owned()), 6, true),
            (Checksum::Sha256(sha256.to_uppercase()), 6, true),
            (Checksum::GitBlob(git.to_owned()), 6, true),
            (Checksum::GitBlob(git.to_owned()), 5, false),
            (Checksum::GitBlob(sha256.to_owned()), 6, false),
            (Checksum::Sha256(git.to_owned()), 6, false),
        ] {
            let verified = checksum.verify(&path, bytes).unwrap();
            assert_eq!(verified.as_deref(), whole.then_some(sha256), "{checksum:?} {bytes}");
        }
    }
}
