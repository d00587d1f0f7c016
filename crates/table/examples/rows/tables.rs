//! The three tables of one model and one captioner.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use table::captions::{CaptionRow, Captions};
use table::embeddings::Embeddings;
use table::images::Images;
use table::location::{Access, Location};
use table::maintain::{MaintenancePlan, compact, index, prune};
use table::schema::{EmbeddingRow, ImageRow, Space};

use crate::generator::GeneratedRow;

const THUMBNAIL_BYTES: usize = 200;
const BATCH_ID: &str = "generated";

/// Where the tables are, and what their vectors are.
pub(crate) struct GeneratedTables {
    pub(crate) location: Location,
    pub(crate) space: Space,
    captioner: String,
    thumbnail: Vec<u8>,
}

/// The tables, opened for appending.
pub(crate) struct OpenTables {
    embeddings: Embeddings,
    captions: Captions,
    images: Images,
    thumbnail: Vec<u8>,
}

impl GeneratedTables {
    /// `names`: address, model, space, hash of its manifest, captioner.
    pub(crate) fn at(names: [&str; 5], dim: usize) -> anyhow::Result<Self> {
        let [uri, model, space, manifest_hash, captioner] = names.map(str::to_owned);
        let options: BTreeMap<String, String> =
            serde_json::from_str(&std::env::var("TABLE_OPTIONS").context("TABLE_OPTIONS")?)?;
        let thumbnail = match std::env::var("TABLE_THUMBNAIL").unwrap_or_default().as_str() {
            "" => vec![0; THUMBNAIL_BYTES],
            file => std::fs::read(file)
                .with_context(|| format!("TABLE_THUMBNAIL '{file}' cannot be read"))?,
        };
        let location = Location { uri, options: options.into_iter().collect() };
        Ok(Self {
            location,
            space: Space { model, space, manifest_hash, dim },
            captioner,
            thumbnail,
        })
    }

    /// Opens the tables, creating those that are missing.
    pub(crate) async fn open(&self) -> anyhow::Result<OpenTables> {
        let database = self.location.connect(Access::writer()).await?;
        Ok(OpenTables {
            embeddings: Embeddings::open_or_create(&database, self.space.clone()).await?,
            captions: Captions::open_or_create(&database, &self.captioner, self.space.clone())
                .await?,
            images: Images::open_or_create(&database).await?,
            thumbnail: self.thumbnail.clone(),
        })
    }
}

impl OpenTables {
    /// Appends the rows to all tables, in one commit to each.
    pub(crate) async fn append(&self, rows: Vec<GeneratedRow>) -> anyhow::Result<()> {
        let thumbnail = |row: &GeneratedRow| ImageRow {
            facts: row.facts.clone(),
            thumbnail: self.thumbnail.clone(),
        };
        let images: Vec<ImageRow> = rows.iter().map(thumbnail).collect();
        self.images.append(&images, BATCH_ID).await?;
        drop(images);
        self.append_vectors(rows).await
    }

    /// Appends the rows to the tables of vectors and of captions alone, at the same time.
    pub(crate) async fn append_vectors(&self, rows: Vec<GeneratedRow>) -> anyhow::Result<()> {
        let (mut pictures, mut captions) = (Vec::new(), Vec::new());
        for GeneratedRow { facts, said, picture, caption, .. } in rows {
            pictures.push(EmbeddingRow { facts: facts.clone(), vector: picture });
            captions.push(CaptionRow { facts, said, vector: caption });
        }
        tokio::try_join!(
            self.embeddings.append(&pictures, BATCH_ID),
            self.captions.append(&captions, BATCH_ID),
        )?;
        Ok(())
    }

    /// Merges fragments, makes or extends indices, and removes the versions before. Safe because
    /// nobody else uses the tables yet.
    pub(crate) async fn maintain(&self) -> anyhow::Result<()> {
        let plan = MaintenancePlan::default();
        let ledgers = [self.embeddings.ledger(), self.captions.ledger(), self.images.ledger()];
        for ledger in ledgers {
            eprintln!("compacting and indexing {}", ledger.name());
            compact(ledger, &plan).await?;
            index(ledger, &plan).await?;
            prune(ledger, Duration::ZERO).await?;
        }
        Ok(())
    }
}
