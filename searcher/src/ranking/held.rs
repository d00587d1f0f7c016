//! The tables a search looks at, held at one version from its first page to its last.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use table::candidates::Candidate;
use table::captions::words::words_of;
use table::captions::{CaptionText, Captions};
use table::embeddings::Embeddings;
use table::schema::Facts;
use table::{NewestIds, TableError};

use crate::engine::{Engine, Served};
use crate::problem::{self, Problem};
use crate::ranking::cursor::Cursor;

/// Both tables at their versions; either may not exist yet.
pub(crate) struct Held {
    pub(crate) embeddings: Option<Embeddings>,
    pub(crate) captions: Option<Captions>,
    /// Whether the vectors of captions are of the space that is searched.
    pub(crate) comparable: bool,
}

impl Held {
    /// The newest versions, or those of a cursor.
    pub(crate) async fn of(
        engine: &Engine,
        served: &Arc<Served>,
        cursor: Option<&Cursor>,
    ) -> Result<Self, Problem> {
        let space = served.encoders().map(|encoders| &encoders.space);
        let embeddings = engine.table(served).await.map_err(problem::tables)?;
        let captions = engine.captions().await.map_err(problem::tables)?;
        let (embeddings, captions) = match cursor {
            None => tokio::try_join!(pinned_embeddings(embeddings), pinned_captions(captions))?,
            Some(cursor) => {
                let now = served.model().unwrap_or_default();
                if cursor.model != now {
                    let name = |model: &str| {
                        if model.is_empty() {
                            "no model".to_owned()
                        } else {
                            format!("the model '{model}'")
                        }
                    };
                    let detail = format!(
                        "is of a search that {} began; {} answers now",
                        name(&cursor.model),
                        name(now)
                    );
                    return Err(Problem::field("cursor", detail));
                }
                let gone = || {
                    Problem::field(
                        "cursor",
                        "is too old: its version of the tables is gone, search again",
                    )
                };
                let embeddings = match embeddings {
                    Some(table) => Some(
                        table
                            .at(&engine.database, cursor.embeddings)
                            .await
                            .map_err(problem::tables)?
                            .ok_or_else(gone)?,
                    ),
                    None => None,
                };
                let captions = match (captions, cursor.captions) {
                    (Some(table), Some(version)) => Some(
                        table
                            .at(&engine.database, version)
                            .await
                            .map_err(problem::tables)?
                            .ok_or_else(gone)?,
                    ),
                    _ => None,
                };
                (embeddings, captions)
            }
        };
        let same = |captions: &Captions| {
            let theirs = captions.space();
            space.is_some_and(|ours| {
                (&theirs.space, &theirs.manifest_hash, theirs.dim)
                    == (&ours.space, &ours.manifest_hash, ours.dim)
            })
        };
        let comparable = captions.as_ref().is_some_and(same);
        Ok(Self { embeddings, captions, comparable })
    }

    /// Versions of the two tables.
    pub(crate) async fn versions(&self) -> Result<(u64, Option<u64>), Problem> {
        let embeddings = match &self.embeddings {
            Some(table) => table.ledger().version().await.map_err(problem::tables)?,
            None => 0,
        };
        let captions = match &self.captions {
            Some(table) => Some(table.ledger().version().await.map_err(problem::tables)?),
            None => None,
        };
        Ok((embeddings, captions))
    }

    /// How far the pages before came.
    ///
    /// # Errors
    /// Further than there are rows: the cursor is not one of ours.
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

    /// The newest object version of each object. The table of vectors decides; what it does not
    /// know, that of captions.
    pub(crate) async fn newest(&self, of: &[Candidate]) -> Result<NewestIds, Problem> {
        let mut newest = match &self.embeddings {
            Some(table) => table.newest(of).await.map_err(problem::tables)?,
            None => NewestIds::new(),
        };
        if let Some(captions) = &self.captions {
            let unknown = |found: &&Candidate| {
                !newest.contains_key(&(found.bucket.clone(), found.key.clone()))
            };
            let unknown: HashSet<_> =
                of.iter().filter(unknown).map(|found| found.key.clone()).collect();
            if !unknown.is_empty() {
                let known = captions.ledger().newest(&unknown).await.map_err(problem::tables)?;
                for (object, id) in known {
                    newest.entry(object).or_insert(id);
                }
            }
        }
        Ok(newest)
    }

    /// What is known about these object versions.
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

    /// What was said about these object versions.
    pub(crate) async fn said(
        &self,
        ids: &[String],
    ) -> Result<HashMap<String, CaptionText>, Problem> {
        match &self.captions {
            Some(captions) => captions.said(ids).await.map_err(problem::tables),
            None => Ok(HashMap::new()),
        }
    }
}

/// Which of these words are among what was said of a picture, as they were written in the question.
pub(crate) fn matched(asked: &[(String, String)], said: &CaptionText, key: &str) -> Vec<String> {
    let there: HashSet<String> =
        words_of(&said.words(key)).into_iter().map(|(word, _)| word).collect();
    asked
        .iter()
        .filter(|(word, _)| there.contains(word))
        .map(|(_, written)| written.clone())
        .collect()
}

async fn pinned_embeddings(table: Option<&Embeddings>) -> Result<Option<Embeddings>, Problem> {
    let pinned: Result<Embeddings, TableError> = match table {
        Some(table) => table.pinned().await,
        None => return Ok(None),
    };
    pinned.map(Some).map_err(problem::tables)
}

async fn pinned_captions(table: Option<&Captions>) -> Result<Option<Captions>, Problem> {
    match table {
        Some(table) => table.pinned().await.map(Some).map_err(problem::tables),
        None => Ok(None),
    }
}
