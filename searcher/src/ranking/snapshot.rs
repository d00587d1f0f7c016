//! The tables of a search, pinned at one version from its first page to its last.

use std::collections::{HashMap, HashSet};

use table::NewestIds;
use table::candidates::Candidate;
use table::captions::words::words_of;
use table::captions::{CaptionText, Captions};
use table::embeddings::Embeddings;
use table::schema::Facts;

use super::cursor::Cursor;
use crate::active_model::ActiveModel;
use crate::engine::Engine;
use crate::problem::{self, Problem};

/// Both tables at their versions; either may not exist yet.
pub(crate) struct TableSnapshot {
    pub(crate) embeddings: Option<Embeddings>,
    pub(crate) captions: Option<Captions>,
    /// Whether the vectors of captions are of the space that is searched.
    pub(crate) captions_comparable: bool,
}

/// Versions of the tables of a snapshot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SnapshotVersions {
    /// 0 where the table does not exist.
    pub(crate) embeddings: u64,
    pub(crate) captions: Option<u64>,
}

impl TableSnapshot {
    /// The newest versions, or those of a cursor.
    ///
    /// # Errors
    /// The cursor belongs to another model, or its versions are gone; the tables cannot be read.
    pub(crate) async fn open(
        engine: &Engine,
        model: &ActiveModel,
        cursor: Option<&Cursor>,
    ) -> Result<Self, Problem> {
        let embeddings = model.table(&engine.database).await.map_err(problem::tables)?;
        let captions = engine.captions().await.map_err(problem::tables)?;
        let (embeddings, captions) = match cursor {
            None => newest_versions(embeddings, captions).await?,
            Some(cursor) => {
                check_model(cursor, model)?;
                versions_of(cursor, engine, embeddings, captions).await?
            }
        };
        let space = model.encoders().map(|encoders| &encoders.space);
        let is_comparable = |captions: &Captions| {
            let theirs = captions.space();
            space.is_some_and(|ours| {
                (&theirs.space, &theirs.manifest_hash, theirs.dim)
                    == (&ours.space, &ours.manifest_hash, ours.dim)
            })
        };
        let captions_comparable = captions.as_ref().is_some_and(is_comparable);
        Ok(Self { embeddings, captions, captions_comparable })
    }

    /// The versions of both tables.
    pub(crate) async fn versions(&self) -> Result<SnapshotVersions, Problem> {
        let embeddings = match &self.embeddings {
            Some(table) => table.ledger().version().await.map_err(problem::tables)?,
            None => 0,
        };
        let captions = match &self.captions {
            Some(table) => Some(table.ledger().version().await.map_err(problem::tables)?),
            None => None,
        };
        Ok(SnapshotVersions { embeddings, captions })
    }

    /// How many candidates the former pages looked at.
    ///
    /// # Errors
    /// More than there are rows: the cursor is not one of ours.
    pub(crate) async fn position(&self, cursor: Option<&Cursor>) -> Result<usize, Problem> {
        let Some(cursor) = cursor else { return Ok(0) };
        let mut rows = 0;
        let (embeddings, captions) = (
            self.embeddings.as_ref().map(Embeddings::ledger),
            self.captions.as_ref().map(Captions::ledger),
        );
        for ledger in [embeddings, captions].into_iter().flatten() {
            rows += ledger.count_rows().await.map_err(problem::tables)?;
        }
        if cursor.position > rows {
            return Err(Problem::field(
                "cursor",
                "is not one of this server: it is beyond the last row",
            ));
        }
        Ok(cursor.position)
    }

    /// The newest version of each candidate's object. The table of vectors decides; for objects
    /// that it lacks, the table of captions does.
    pub(crate) async fn newest(&self, of: &[Candidate]) -> Result<NewestIds, Problem> {
        let mut newest = match &self.embeddings {
            Some(table) => table.newest(of).await.map_err(problem::tables)?,
            None => NewestIds::new(),
        };
        if let Some(captions) = &self.captions {
            let is_unknown = |found: &&Candidate| {
                !newest.contains_key(&(found.bucket.clone(), found.key.clone()))
            };
            let unknown: HashSet<_> =
                of.iter().filter(is_unknown).map(|found| found.key.clone()).collect();
            if !unknown.is_empty() {
                let known = captions.ledger().newest(&unknown).await.map_err(problem::tables)?;
                for (object, id) in known {
                    newest.entry(object).or_insert(id);
                }
            }
        }
        Ok(newest)
    }

    /// Facts about these object versions, by id.
    pub(crate) async fn facts(&self, ids: &[String]) -> Result<HashMap<String, Facts>, Problem> {
        let mut facts = match &self.embeddings {
            Some(table) => table.ledger().facts(ids).await.map_err(problem::tables)?,
            None => HashMap::new(),
        };
        let missing: Vec<_> = ids.iter().filter(|id| !facts.contains_key(*id)).cloned().collect();
        if let (Some(captions), false) = (&self.captions, missing.is_empty()) {
            facts.extend(captions.ledger().facts(&missing).await.map_err(problem::tables)?);
        }
        Ok(facts)
    }

    /// Captions and keywords of these object versions, by id.
    pub(crate) async fn caption_texts(
        &self,
        ids: &[String],
    ) -> Result<HashMap<String, CaptionText>, Problem> {
        match &self.captions {
            Some(captions) => captions.said(ids).await.map_err(problem::tables),
            None => Ok(HashMap::new()),
        }
    }
}

/// Those of these terms that occur in a picture's caption, keywords or key, as the query wrote
/// them. Terms: as the index of words knows them, and as they were written.
pub(crate) fn matched(terms: &[(String, String)], caption: &CaptionText, key: &str) -> Vec<String> {
    let present: HashSet<String> =
        words_of(&caption.words(key)).into_iter().map(|(word, _)| word).collect();
    terms
        .iter()
        .filter(|(word, _)| present.contains(word))
        .map(|(_, written)| written.clone())
        .collect()
}

fn check_model(cursor: &Cursor, model: &ActiveModel) -> Result<(), Problem> {
    let now = model.id().unwrap_or_default();
    if cursor.model == now {
        return Ok(());
    }
    let name = |model: &str| match model {
        "" => "no model".to_owned(),
        model => format!("the model '{model}'"),
    };
    let detail =
        format!("is of a search that {} began; {} answers now", name(&cursor.model), name(now));
    Err(Problem::field("cursor", detail))
}

async fn newest_versions(
    embeddings: Option<&Embeddings>,
    captions: Option<&Captions>,
) -> Result<(Option<Embeddings>, Option<Captions>), Problem> {
    let embeddings = async {
        match embeddings {
            Some(table) => table.pinned().await.map(Some),
            None => Ok(None),
        }
    };
    let captions = async {
        match captions {
            Some(table) => table.pinned().await.map(Some),
            None => Ok(None),
        }
    };
    tokio::try_join!(embeddings, captions).map_err(problem::tables)
}

async fn versions_of(
    cursor: &Cursor,
    engine: &Engine,
    embeddings: Option<&Embeddings>,
    captions: Option<&Captions>,
) -> Result<(Option<Embeddings>, Option<Captions>), Problem> {
    let gone = || {
        let detail = "is too old: its version of the tables is gone, search again";
        Problem::field("cursor", detail)
    };
    let database = &engine.database;
    let embeddings = match embeddings {
        Some(table) => {
            let table = table.at(database, cursor.embeddings).await.map_err(problem::tables)?;
            Some(table.ok_or_else(gone)?)
        }
        None => None,
    };
    let captions = match (captions, cursor.captions) {
        (Some(table), Some(version)) => {
            let table = table.at(database, version).await.map_err(problem::tables)?;
            Some(table.ok_or_else(gone)?)
        }
        _ => None,
    };
    Ok((embeddings, captions))
}
