//! What was published, kept in the bucket: without it a restarted ingest would publish again
//! everything that still waits in the queues.
//!
//! Segments below `state/published/<stage>/`, each a list of records of 17 bytes: identity and
//! lane. Only ever written whole and deleted whole; the time of a segment stands in its name. A
//! crash loses the last second of it, which costs duplicates.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use pipeline::ImageId;
use pipeline::bucket::Only;
use pipeline::stage_name::StageName;
use pipeline::state::{StateError, StateStore};

/// Below this every stage has a folder.
const FOLDER: &str = "published/";
const RECORD_BYTES: usize = 17;
// A segment stays below the size limit of state objects.
const SEGMENT_RECORDS: usize = 500_000;
const FLUSH: Duration = Duration::from_secs(1);
// Below this many records, and this many segments, rewriting is not worth its requests.
const WORTH_REWRITING: usize = 10_000;
const MANY_SEGMENTS: usize = 64;
// A trickle of events makes a segment a second; more than one per this many records is too many to
// read at a start.
const RECORDS_PER_SEGMENT: usize = 1_000;

/// One published job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) id: ImageId,
    /// How the job stands, as [`crate::published`] encodes it.
    pub(crate) flags: u8,
}

/// Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    state: StateStore,
    folder: String,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    // Confirmed by the broker, not yet in the bucket.
    fresh: Vec<Record>,
    // Records in the bucket, those that no longer matter included.
    stored: usize,
    segments: usize,
    next: u32,
}

fn encode(records: &[Record]) -> Bytes {
    let mut body = BytesMut::with_capacity(records.len() * RECORD_BYTES);
    for record in records {
        body.put_u128(record.id.as_u128());
        body.put_u8(record.flags);
    }
    body.freeze()
}

// A segment that was cut short (no store does that) gives what is whole.
fn decode(body: &[u8]) -> impl Iterator<Item = Record> + '_ {
    let records = body.chunks_exact(RECORD_BYTES);
    records.filter_map(|record| {
        let (id, flags) = record.split_first_chunk::<16>()?;
        Some(Record { id: ImageId::from_u128(u128::from_be_bytes(*id)), flags: flags[0] })
    })
}

fn seconds_of(segment: &str) -> Option<u32> {
    segment.split('-').next()?.parse().ok()
}

/// Removes everything that was noted of a stage.
pub(crate) async fn remove(state: &StateStore, stage: &StageName) -> Result<(), StateError> {
    for name in state.names(&folder(stage)).await? {
        state.delete(&name).await?;
    }
    Ok(())
}

fn folder(stage: &StageName) -> String {
    format!("{FOLDER}{stage}/")
}

impl Journal {
    pub(crate) fn new(state: StateStore, stage: &StageName) -> Self {
        Self { state, folder: folder(stage), inner: Arc::default() }
    }

    /// Gives every record with the Unix second of its segment, segment by segment: all at once
    /// would be many.
    pub(crate) async fn load(&self, mut take: impl FnMut(Record, u32)) -> Result<(), StateError> {
        let mut stored = 0;
        let names = self.state.names(&self.folder).await?;
        self.lock().segments = names.len();
        for name in names {
            let (Some(at), Some((body, _))) = (
                name.strip_prefix(&self.folder).and_then(seconds_of),
                self.state.read(&name).await?,
            ) else {
                continue;
            };
            for record in decode(&body) {
                stored += 1;
                take(record, at);
            }
        }
        self.lock().stored = stored;
        Ok(())
    }

    /// Notes a published job; it is in the bucket about a second later.
    pub(crate) fn note(&self, record: Record) {
        self.lock().fresh.push(record);
    }

    /// Writes what was noted, about once a second. Runs until dropped.
    pub(crate) async fn flush_often(&self) {
        loop {
            tokio::time::sleep(FLUSH).await;
            if let Err(error) = self.flush().await {
                tracing::warn!(%error, "the journal of published jobs is behind, trying again");
            }
        }
    }

    /// Writes what was noted.
    pub(crate) async fn flush(&self) -> Result<(), StateError> {
        loop {
            let batch: Vec<_> = {
                let inner = self.lock();
                inner.fresh.iter().take(SEGMENT_RECORDS).copied().collect()
            };
            if batch.is_empty() {
                return Ok(());
            }
            self.write_segment(&batch).await?;
            self.lock().fresh.drain(..batch.len());
        }
    }

    /// Replaces all segments by one list, if enough of what they hold no longer matters.
    pub(crate) async fn rewrite(
        &self,
        live: usize,
        records: impl FnOnce() -> Vec<Record>,
    ) -> Result<(), StateError> {
        let (stored, segments) = {
            let inner = self.lock();
            (inner.stored, inner.segments)
        };
        let wasteful = stored > 2 * live + if live == 0 { 0 } else { WORTH_REWRITING };
        if !wasteful && segments <= MANY_SEGMENTS + live / RECORDS_PER_SEGMENT {
            return Ok(());
        }
        self.flush().await?;
        let former = self.state.names(&self.folder).await?;
        {
            let mut inner = self.lock();
            (inner.stored, inner.segments) = (0, 0);
        }
        for segment in records().chunks(SEGMENT_RECORDS) {
            self.write_segment(segment).await?;
        }
        for name in former {
            self.state.delete(&name).await?;
        }
        Ok(())
    }

    async fn write_segment(&self, records: &[Record]) -> Result<(), StateError> {
        let number = {
            let mut inner = self.lock();
            inner.next = inner.next.wrapping_add(1);
            inner.next
        };
        let (second, process) = (jiff::Timestamp::now().as_second(), std::process::id());
        let name = format!("{}{second:010}-{process}-{number:010}", self.folder);
        self.state.write(&name, encode(records), Only::Always).await?;
        let mut inner = self.lock();
        inner.stored += records.len();
        inner.segments += 1;
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_round_trip_and_a_torn_end_is_left_out() {
        let records: Vec<_> = (0..3)
            .map(|n| Record { id: ImageId::of("b", &format!("{n}.jpg"), "e"), flags: n })
            .collect();
        let body = encode(&records);
        assert_eq!(decode(&body).collect::<Vec<_>>(), records);
        assert_eq!(decode(&body[..body.len() - 1]).collect::<Vec<_>>(), records[..2]);
        assert_eq!(seconds_of("1700000000-17-1"), Some(1_700_000_000));
    }
}
