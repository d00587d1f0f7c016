//! What to fetch for one model in one precision.

use super::Entry;
use crate::manifest::{FileRole, ModelFile, Precision};

/// An entry of the catalogue in one precision.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Id of the model, and name of its folder.
    pub id: String,
    /// Number format of its weights.
    pub precision: Precision,
    /// The files to fetch, each once.
    pub files: Vec<RemoteFile>,
    /// All that does not depend on the precision. Whoever learns the commit behind a branch may set
    /// it in `source`.
    pub entry: Entry,
}

/// A file to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Path in the repository, and below the model's folder.
    pub path: String,
    /// What it is for; a graph of both towers has two roles.
    pub roles: Vec<FileRole>,
    /// True where only some revisions have it: its absence is no error.
    pub optional: bool,
}

impl Recipe {
    /// The text of the `model.toml` to be written beside the files, given path, size in bytes and
    /// SHA-256 (hexadecimal) of each. Optional files may be missing.
    ///
    /// # Errors
    /// A file that is needed is missing, or the manifest would be refused; the sentence says why.
    pub fn manifest(&self, pulled: &[(String, u64, String)]) -> Result<String, String> {
        let mut files = Vec::new();
        for RemoteFile { path, roles, optional } in &self.files {
            let Some((_, bytes, sha256)) = pulled.iter().find(|(pulled, ..)| pulled == path) else {
                if *optional {
                    continue;
                }
                return Err(format!("the file `{path}` of the model `{}` is missing", self.id));
            };
            let file = |role: &FileRole| ModelFile {
                path: path.clone(),
                role: *role,
                bytes: *bytes,
                sha256: sha256.clone(),
            };
            files.extend(roles.iter().map(file));
        }
        self.entry.manifest(self.id.clone(), self.precision, files).to_toml()
    }
}
