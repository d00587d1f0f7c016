//! A recipe: the files to fetch for one model in one precision, and the manifest to write.

use super::Entry;
use crate::manifest::{FileRole, ModelFile, Precision};

/// An entry of the catalogue in one precision.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Id of the model, which is also the name of its folder.
    pub id: String,
    /// Number format of its weights.
    pub precision: Precision,
    /// The files to fetch, each once.
    pub files: Vec<RemoteFile>,
    /// The entry, for all that does not depend on the precision. A caller that finds out the commit
    /// behind a branch may set it in `source`.
    pub entry: Entry,
}

/// A file to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Path in the repository, and below the model's folder.
    pub path: String,
    /// Its roles in the model. A graph that holds both towers has two.
    pub roles: Vec<FileRole>,
    /// True where only some revisions have it. Its absence is no error.
    pub optional: bool,
}

impl Recipe {
    /// Whether the file with this path has this role.
    pub fn is(&self, path: &str, role: FileRole) -> bool {
        self.files.iter().any(|file| file.path == path && file.roles.contains(&role))
    }

    /// The text of the `model.toml` to write beside the files. `pulled` holds the path, the size in
    /// bytes and the SHA-256 (hexadecimal) of each file. Optional files may be missing.
    ///
    /// # Errors
    /// One sentence: a required file is missing, or the manifest would be refused.
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
