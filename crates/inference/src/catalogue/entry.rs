//! An entry of the catalogue: one model in all its precisions.

use serde::Deserialize;

use super::layout::{ConfigFile, ImportHints, Layout};
use super::{Recipe, RemoteFile};
use crate::manifest::{
    FileRole, ImageTower, Manifest, ModelFile, Precision, Score, TextTower, check_id, check_path,
    from_toml, require,
};

/// A model of the catalogue. It holds all that a manifest holds, for every precision, except the
/// sizes and digests of the files.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Id of the model in fp32. Other precisions get a suffix.
    pub id: String,
    /// As in [`Manifest::space`], the same for all precisions.
    pub space: String,
    /// Length of every vector.
    pub dim: usize,
    /// Licence of the weights (SPDX where there is one).
    pub licence: String,
    /// The notice that the licence requires a user interface to show.
    #[serde(default)]
    pub notice: String,
    /// True where the owner gives out the files only to users who have accepted its licence.
    #[serde(default)]
    pub gated: bool,
    /// Where the files are.
    pub source: Repository,
    /// The files of all precisions.
    pub files: Vec<EntryFile>,
    /// As in [`Manifest::image`].
    pub image: Option<ImageTower>,
    /// As in [`Manifest::text`].
    pub text: Option<TextTower>,
    /// As in [`Manifest::score`].
    #[serde(default)]
    pub score: Score,
    /// Present where the entry is also the pattern for importing folders of its family.
    pub import: Option<ImportHints>,
}

/// A model repository.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// `owner/name`.
    pub repo: String,
    /// Branch, tag or commit. Only a commit always means the same files.
    pub revision: String,
}

/// One file of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryFile {
    /// Path in the repository, and below the model's folder.
    pub path: String,
    /// Its role in the model.
    pub role: FileRole,
    /// The precision that needs it. Absent where all do.
    pub precision: Option<Precision>,
    /// True where only some revisions have it, as weights beside a graph.
    #[serde(default)]
    pub optional: bool,
}

impl Entry {
    /// The same entry under another id, in a space of its own. So a model can be fetched beside an
    /// earlier one that was made from another state of its entry.
    ///
    /// # Errors
    /// The id cannot be one, in one sentence.
    pub fn renamed(self, id: &str) -> Result<Entry, String> {
        check_id(id)?;
        Ok(Entry { id: id.to_owned(), space: id.to_owned(), ..self })
    }

    /// The layout of the repository, by the paths of its files.
    pub fn layout(&self) -> Layout {
        let of_immich = |file: &EntryFile| {
            file.path.starts_with("visual/") || file.path.starts_with("textual/")
        };
        if self.files.iter().any(of_immich) { Layout::Immich } else { Layout::TransformersJs }
    }

    /// The files of the repository that may hold its configuration, for
    /// [`import::check`](crate::import::check). No repository has all of them.
    pub fn config_files(&self) -> &'static [ConfigFile] {
        self.layout().config_files()
    }

    /// Parses and checks the text of an entry: one of the catalogue, or a user's own file.
    ///
    /// # Errors
    /// The reason in one sentence, with the line if it is known.
    pub fn parse(text: &str) -> Result<Entry, String> {
        let entry: Entry = from_toml(text)?;
        check_id(&entry.id)?;
        let word = |text: &str, parts: usize| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            let good =
                |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(plain);
            text.split('/').count() == parts && text.split('/').all(good)
        };
        require(word(&entry.source.repo, 2), || {
            format!("[source] `repo` must be owner/name and is `{}`", entry.source.repo)
        })?;
        require(word(&entry.source.revision, 1), || {
            format!(
                "[source] `revision` must be a branch, tag or commit and is `{}`",
                entry.source.revision
            )
        })?;
        entry.files.iter().try_for_each(|file| check_path(&file.path))?;
        let precisions = entry.precisions();
        require(!precisions.is_empty(), || {
            String::from("no precision has a graph for every tower")
        })?;
        // The check of a manifest also checks the towers. It gets digests of the right form.
        let unknown = |path: &str| (path.to_owned(), 0, "0".repeat(64));
        for precision in precisions {
            let recipe = entry.resolve(precision)?;
            recipe.manifest(
                &recipe.files.iter().map(|file| unknown(&file.path)).collect::<Vec<_>>(),
            )?;
        }
        Ok(entry)
    }

    /// The precisions that have files for every tower, the most exact first.
    pub fn precisions(&self) -> Vec<Precision> {
        let graphs =
            [(FileRole::Image, self.image.is_some()), (FileRole::Text, self.text.is_some())];
        let has = |precision, role| self.files_of(precision).any(|file| file.role == role);
        let complete = |precision: &Precision| {
            graphs.iter().all(|(role, wanted)| has(*precision, *role) == *wanted)
        };
        Precision::ALL.into_iter().filter(complete).collect()
    }

    /// The recipe for this precision.
    ///
    /// # Errors
    /// The repository has no files in this precision.
    pub fn resolve(&self, precision: Precision) -> Result<Recipe, String> {
        require(self.precisions().contains(&precision), || {
            let has: Vec<&str> = self.precisions().into_iter().map(Precision::name).collect();
            format!(
                "the model `{}` has no files in {precision}: choose {}",
                self.id,
                has.join(" or ")
            )
        })?;
        let mut files: Vec<RemoteFile> = Vec::new();
        for EntryFile { path, role, optional, .. } in self.files_of(precision) {
            match files.iter_mut().find(|file| file.path == *path) {
                Some(file) => file.roles.push(*role),
                None => files.push(RemoteFile {
                    path: path.clone(),
                    roles: vec![*role],
                    optional: *optional,
                }),
            }
        }
        Ok(Recipe {
            id: format!("{}{}", self.id, precision.suffix()),
            precision,
            files,
            entry: self.clone(),
        })
    }

    fn files_of(&self, precision: Precision) -> impl Iterator<Item = &EntryFile> {
        self.files.iter().filter(move |file| file.precision.is_none_or(|of| of == precision))
    }

    pub(super) fn manifest(
        &self,
        id: String,
        precision: Precision,
        files: Vec<ModelFile>,
    ) -> Manifest {
        Manifest {
            id,
            space: self.space.clone(),
            dim: self.dim,
            precision,
            licence: self.licence.clone(),
            notice: self.notice.clone(),
            demo: false,
            origin: format!("{} at {}", self.source.repo, self.source.revision),
            files,
            image: self.image.clone(),
            text: self.text.clone(),
            score: self.score,
            golden: None,
        }
    }
}
