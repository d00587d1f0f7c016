//! All pictures by date. A process that shows them keeps them in memory, some 100 bytes for each
//! object, so that a page far back does not cost reading everything before it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::error::ArrowError;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::sync::Mutex;

use crate::error::TableError;
use crate::ledger::Ledger;
use crate::schema::column;

const COLUMNS: [&str; 6] = ["image_id", "bucket", "key", "taken_at", "last_modified", "written_at"];

/// Place of a picture in the timeline. Newer pictures have greater moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// When it was taken, or else when it was last written, in microseconds since 1970.
    pub at: i64,
    /// Its identity as a number.
    pub image_id: u128,
}

/// All pictures of one version of a table, each object once, newest first.
#[derive(Debug, Default)]
pub struct Timeline {
    /// Version of the table.
    pub version: u64,
    moments: Vec<Moment>,
}

/// Number of pictures in every month that has some (UTC), by its first day, newest first. `dates`
/// are in microseconds since 1970, newest first.
pub fn months(dates: &[i64]) -> Vec<(Date, usize)> {
    let mut months: Vec<(Date, usize)> = Vec::new();
    let mut rest = dates;
    while let Some(first) = rest.first() {
        let Ok(at) = Timestamp::from_microsecond(*first) else { break };
        let month = at.to_zoned(TimeZone::UTC).date().first_of_month();
        let begin = month
            .to_zoned(TimeZone::UTC)
            .map_or(i64::MIN, |begin| begin.timestamp().as_microsecond());
        let count = rest.partition_point(|date| *date >= begin).max(1);
        months.push((month, count));
        rest = rest.get(count..).unwrap_or_default();
    }
    months
}

impl Timeline {
    /// Places of the moments from `from` to before `before`, in microseconds.
    pub fn between(&self, from: Option<i64>, before: Option<i64>) -> Range<usize> {
        let begin =
            before.map_or(0, |before| self.moments.partition_point(|moment| moment.at >= before));
        let end = from.map_or(self.moments.len(), |from| {
            self.moments.partition_point(|moment| moment.at >= from)
        });
        begin..end.max(begin)
    }

    /// The place after a moment, whether its picture is still there or not.
    pub fn after(&self, moment: Moment) -> usize {
        self.moments.partition_point(|other| *other >= moment)
    }

    /// The moments at some places.
    pub fn slice(&self, places: Range<usize>) -> &[Moment] {
        self.moments.get(places).unwrap_or_default()
    }

    /// When each picture was taken, or else last written, newest first.
    pub fn dates(&self) -> Vec<i64> {
        self.moments.iter().map(|moment| moment.at).collect()
    }
}

/// The newest row of an object.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
struct NewestRow {
    modified: Option<i64>,
    written: i64,
    moment: Moment,
}

/// The timeline of the last version of a table that was asked for. Another version is read as a
/// whole: which rows came and went cannot be told by their times, because writers' clocks differ.
#[derive(Debug, Default)]
pub struct Timelines(Mutex<Arc<Timeline>>);

impl Timelines {
    /// The timeline of the newest version.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn newest(&self, ledger: &Ledger) -> Result<Arc<Timeline>, TableError> {
        // A second caller waits for the first and finds everything read.
        let mut known = self.0.lock().await;
        let pinned = ledger.pinned().await?;
        let version = pinned.version().await?;
        if known.version != version {
            let batches = pinned.rows(None, &COLUMNS).await?;
            let moments = moments(&batches).map_err(|error| TableError::rows(ledger.name(), error));
            *known = Arc::new(Timeline { version, moments: moments? });
        }
        Ok(Arc::clone(&known))
    }
}

/// The moment of the newest row of each object, newest first.
fn moments(batches: &[RecordBatch]) -> Result<Vec<Moment>, ArrowError> {
    // By a hash of bucket and key, because the keys themselves would take most of the memory.
    let mut objects: HashMap<u64, NewestRow> = HashMap::new();
    for batch in batches {
        let text = |name| column::<StringArray>(batch, name);
        let time = |name| column::<TimestampMicrosecondArray>(batch, name);
        let (ids, buckets, keys) = (text("image_id")?, text("bucket")?, text("key")?);
        let (taken, modified, written) =
            (time("taken_at")?, time("last_modified")?, time("written_at")?);
        for row in 0..batch.num_rows() {
            let at =
                |times: &TimestampMicrosecondArray| times.is_valid(row).then(|| times.value(row));
            let image_id = u128::from_str_radix(ids.value(row), 16).map_err(|error| {
                ArrowError::ParseError(format!("image_id '{}': {error}", ids.value(row)))
            })?;
            let modified = at(modified);
            let at = at(taken).or(modified).unwrap_or_else(|| written.value(row));
            let written = written.value(row);
            let newest = NewestRow { modified, written, moment: Moment { at, image_id } };
            let mut object = DefaultHasher::new();
            (buckets.value(row), keys.value(row)).hash(&mut object);
            let known = objects.entry(object.finish()).or_insert(newest);
            if newest > *known {
                *known = newest;
            }
        }
    }
    let mut moments: Vec<_> = objects.into_values().map(|newest| newest.moment).collect();
    moments.sort_unstable_by(|a, b| b.cmp(a));
    Ok(moments)
}
