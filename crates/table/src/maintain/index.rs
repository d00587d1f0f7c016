//! Indices are created once a table is large, and extended over the rows appended since. Rows that
//! no index covers yet are found too, by looking at each of them; an index only makes it quick.

use arrow::datatypes::DataType;
use lancedb::DistanceType;
use lancedb::index::Index;
use lancedb::index::scalar::BTreeIndexBuilder;
use lancedb::index::vector::{IvfFlatIndexBuilder, IvfRqIndexBuilder};
use lancedb::table::OptimizeAction;
use serde::Serialize;

use super::plan::MaintenancePlan;
use super::segments::{IndexCoverage, coverage};
use crate::captions::words;
use crate::error::TableError;
use crate::ledger::Ledger;
use crate::schema::{VECTOR_COLUMN, WORDS_COLUMN};

/// Columns that are looked up by equality or range: is an object version indexed, which rows has an
/// object, which objects have the same content.
const LOOKED_UP: [&str; 3] = ["image_id", "key", "content_hash"];
/// Bits per dimension of a vector in the index. Because the exact vectors of the best candidates
/// are compared afterwards, one bit already finds most, and five find nearly all.
const BITS: u32 = 5;

/// The result of indexing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Indexing {
    /// Columns that got an index.
    pub made: Vec<String>,
    /// Names of the indices that now cover more rows.
    pub extended: Vec<String>,
}

/// Creates the indices that a large table lacks, and extends those that have fallen behind. An
/// existing index is never created anew.
///
/// # Errors
/// The store did not answer or refused, or lost too many races.
pub async fn index(ledger: &Ledger, plan: &MaintenancePlan) -> Result<Indexing, TableError> {
    let failed = TableError::of(&ledger.name);
    let mut indexing = Indexing::default();
    let pinned = ledger.pinned().await?;
    let rows = pinned.count_rows().await?;
    let present = pinned.table.list_indices().await.map_err(&failed)?;
    let schema = pinned.table.schema().await.map_err(&failed)?;

    if rows >= plan.index_from_rows {
        for column in LOOKED_UP.into_iter().chain([VECTOR_COLUMN]) {
            let Ok(field) = schema.field_with_name(column) else { continue };
            if present.iter().any(|index| index.columns == [column]) {
                continue;
            }
            let kind = if column == VECTOR_COLUMN {
                over_vectors(field.data_type())
            } else {
                Index::BTree(BTreeIndexBuilder::default())
            };
            ledger
                .change(|table| {
                    let creating = table.create_index(&[column], kind.clone()).replace(false);
                    async move { creating.execute().await }
                })
                .await?;
            indexing.made.push(column.to_owned());
        }
    }
    if schema.field_with_name(WORDS_COLUMN).is_ok() && words::make_index(ledger).await? {
        indexing.made.push(WORDS_COLUMN.to_owned());
    }
    for index in coverage(&pinned).await?.into_iter().filter(IndexCoverage::is_behind) {
        ledger
            .change(|table| {
                let options = index.extension();
                async move { table.optimize(OptimizeAction::Index(options)).await }
            })
            .await?;
        indexing.extended.push(index.name);
    }
    Ok(indexing)
}

/// Whether an index of this table has fallen so far behind that it must be extended. Reads the
/// manifest only.
///
/// # Errors
/// The store did not answer or refused.
pub(super) async fn is_behind(ledger: &Ledger) -> Result<bool, TableError> {
    Ok(coverage(&ledger.pinned().await?).await?.iter().any(IndexCoverage::is_behind))
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
