//! Making indices once a table is large, and extending them over the rows appended since. Rows that
//! no index covers yet are found as well, by looking at each of them; an index only makes it quick.

use arrow::datatypes::DataType;
use lancedb::DistanceType;
use lancedb::index::scalar::BTreeIndexBuilder;
use lancedb::index::vector::{IvfFlatIndexBuilder, IvfRqIndexBuilder};
use lancedb::index::{Index, IndexConfig, IndexType};
use lancedb::table::{OptimizeAction, OptimizeOptions};
use serde::Serialize;

use crate::captions::{self, WORDS};
use crate::conflict::retried;
use crate::error::TableError;
use crate::ledger::Ledger;
use crate::maintain::MaintenancePlan;

/// What is looked up by equality or range: is it indexed, which rows has this object, who has the
/// same content.
const LOOKED_UP: [&str; 3] = ["image_id", "key", "content_hash"];
const VECTOR: &str = "vector";
/// Rows that no index covers: more than this many and more than this share of the table are worth
/// an extension.
const LEAST_UNINDEXED: u64 = 4096;
/// Words of rows that no index covers are cut and counted at every search, which takes longer than
/// comparing vectors.
const LEAST_UNINDEXED_WORDS: u64 = 512;
const UNINDEXED_SHARE: u64 = 20;
/// Parts of one index that are searched one by one; from here on they are merged.
const MOST_SEGMENTS: u32 = 4;
/// Bits per dimension of a vector in the index. With the exact vectors of the best candidates
/// compared afterwards, one bit already finds most; five find nearly all.
const BITS: u32 = 5;

/// What was done about indices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Indexing {
    /// Columns that got one.
    pub made: Vec<String>,
    /// Names of those that now cover more rows.
    pub extended: Vec<String>,
}

/// Makes the indices that are missing in a large table, and extends those that have fallen behind.
/// One that exists is never made anew.
///
/// # Errors
/// The store did not answer or refused, or other changes were faster again and again.
pub async fn index(ledger: &Ledger, settings: &MaintenancePlan) -> Result<Indexing, TableError> {
    let failed = TableError::of(&ledger.name);
    let mut indexing = Indexing::default();
    let pinned = ledger.pinned().await?;
    let rows = pinned.count_rows().await?;
    let present = pinned.table.list_indices().await.map_err(&failed)?;
    let schema = pinned.table.schema().await.map_err(&failed)?;

    if rows >= settings.index_from_rows {
        for column in LOOKED_UP.into_iter().chain([VECTOR]) {
            let Ok(field) = schema.field_with_name(column) else { continue };
            if present.iter().any(|index| index.columns == [column]) {
                continue;
            }
            let kind = if column == VECTOR {
                over_vectors(field.data_type())
            } else {
                Index::BTree(BTreeIndexBuilder::default())
            };
            retried(ledger, |table| {
                let kind = kind.clone();
                async move { table.create_index(&[column], kind).replace(false).execute().await }
            })
            .await?;
            indexing.made.push(column.to_owned());
        }
    }
    if schema.field_with_name(WORDS).is_ok() && captions::make_index(ledger).await? {
        indexing.made.push(WORDS.to_owned());
    }
    for index in present {
        if !has_fallen_behind(&index, rows as u64) {
            continue;
        }
        retried(ledger, |table| {
            let options = extension(&index);
            async move { table.optimize(OptimizeAction::Index(options)).await }
        })
        .await?;
        indexing.extended.push(index.name);
    }
    Ok(indexing)
}

fn over_vectors(kind: &DataType) -> Index {
    // The codes pack eight dimensions into a byte.
    let packs = matches!(kind, DataType::FixedSizeList(_, dim) if dim % 8 == 0);
    if packs {
        Index::IvfRq(
            IvfRqIndexBuilder::default().distance_type(DistanceType::Cosine).num_bits(BITS),
        )
    } else {
        Index::IvfFlat(IvfFlatIndexBuilder::default().distance_type(DistanceType::Cosine))
    }
}

fn has_fallen_behind(index: &IndexConfig, rows: u64) -> bool {
    let least =
        if index.index_type == IndexType::FTS { LEAST_UNINDEXED_WORDS } else { LEAST_UNINDEXED };
    index.num_unindexed_rows.unwrap_or(0) > least.max(rows / UNINDEXED_SHARE)
}

fn extension(index: &IndexConfig) -> OptimizeOptions {
    let segments = index.num_segments.unwrap_or(1);
    let options = if matches!(index.index_type, IndexType::BTree | IndexType::FTS) {
        OptimizeOptions::merge(segments as usize)
    } else if segments >= MOST_SEGMENTS {
        OptimizeOptions::merge(segments as usize).with_partition_rebalancing()
    } else {
        // A further segment; or, where a partition has outgrown its size, all in one with that
        // partition split.
        OptimizeOptions::default()
    };
    options.index_names(vec![index.name.clone()])
}
