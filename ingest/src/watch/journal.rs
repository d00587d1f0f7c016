//! The journal of published jobs, kept in the bucket. Without it a restarted ingest would publish
//! everything again that still waits in the queues.
//!
//! It consists of segments below `state/published/<stage>/`. A segment is a list of records of 17
//! bytes: identity and flags. Segments are only written and deleted whole; the name of a segment
//! holds its time. A crash loses the last second, which costs duplicate jobs.

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
// With fewer superfluous records and fewer segments than this, rewriting is not worth its requests.
const WORTH_REWRITING: usize = 10_000;
const MANY_SEGMENTS: usize = 64;
// A trickle of events makes a segment a second. Reading more segments than one per this many
// records would slow down a start.
const RECORDS_PER_SEGMENT: usize = 1_000;

/// One published job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JournalRecord {
    pub(crate) id: ImageId,
    /// State of the job, as [`super::outstanding`] encodes it.
    pub(crate) flags: u8,
}

/// The journal of one stage; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    state: StateStore,
    folder: String,
    progress: Arc<Mutex<JournalState>>,
}

#[derive(Debug, Default)]
struct JournalState {
    // Confirmed by the broker, not yet in the bucket.
    fresh: Vec<JournalRecord>,
    // Records in the bucket, superfluous ones included.
    stored: usize,
    segments: usize,
    next: u32,
}

fn encode(records: &[JournalRecord]) -> Bytes {
    let mut body = BytesMut::with_capacity(records.len() * RECORD_BYTES);
    for record in records {
        body.put_u128(record.id.as_u128());
        body.put_u8(record.flags);
    }
    body.freeze()
}

// Of a truncated segment (no store makes one) the whole records are read.
fn decode(body: &[u8]) -> impl Iterator<Item = JournalRecord> + '_ {
    let records = body.chunks_exact(RECORD_BYTES);
    records.filter_map(|record| {
        let (id, flags) = record.split_first_chunk::<16>()?;
        Some(JournalRecord { id: ImageId::from_u128(u128::from_be_bytes(*id)), flags: flags[0] })
    })
}

fn seconds_of(segment: &str) -> Option<u32> {
    segment.split('-').next()?.parse().ok()
}

/// Removes the journal of a stage.
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
        Self { state, folder: folder(stage), progress: Arc::default() }
    }

    /// Gives `take` every record with the Unix second of its segment. Holds one segment in memory
    /// at a time.
    pub(crate) async fn load(
        &self,
        mut take: impl FnMut(JournalRecord, u32),
    ) -> Result<(), StateError> {
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

    /// Notes a published job. It is written to the bucket within about a second.
    pub(crate) fn note(&self, record: JournalRecord) {
        self.lock().fresh.push(record);
    }

    /// Writes the noted records about once a second. Runs until dropped.
    pub(crate) async fn flush_often(&self) {
        loop {
            tokio::time::sleep(FLUSH).await;
            if let Err(error) = self.flush().await {
                tracing::warn!(%error, "the journal of published jobs is behind, trying again");
            }
        }
    }

    /// Writes the noted records.
    pub(crate) async fn flush(&self) -> Result<(), StateError> {
        loop {
            let batch: Vec<_> = {
                let progress = self.lock();
                progress.fresh.iter().take(SEGMENT_RECORDS).copied().collect()
            };
            if batch.is_empty() {
                return Ok(());
            }
            self.write_segment(&batch).await?;
            self.lock().fresh.drain(..batch.len());
        }
    }

    /// Replaces all segments by one list if most of their records are superfluous.
    pub(crate) async fn rewrite(
        &self,
        live: usize,
        records: impl FnOnce() -> Vec<JournalRecord>,
    ) -> Result<(), StateError> {
        let (stored, segments) = {
            let progress = self.lock();
            (progress.stored, progress.segments)
        };
        let wasteful = stored > 2 * live + if live == 0 { 0 } else { WORTH_REWRITING };
        if !wasteful && segments <= MANY_SEGMENTS + live / RECORDS_PER_SEGMENT {
            return Ok(());
        }
        self.flush().await?;
        let former = self.state.names(&self.folder).await?;
        {
            let mut progress = self.lock();
            (progress.stored, progress.segments) = (0, 0);
        }
        for segment in records().chunks(SEGMENT_RECORDS) {
            self.write_segment(segment).await?;
        }
        for name in former {
            self.state.delete(&name).await?;
        }
        Ok(())
    }

    async fn write_segment(&self, records: &[JournalRecord]) -> Result<(), StateError> {
        let number = {
            let mut progress = self.lock();
            progress.next = progress.next.wrapping_add(1);
            progress.next
        };
        let (second, process) = (jiff::Timestamp::now().as_second(), std::process::id());
        let name = format!("{}{second:010}-{process}-{number:010}", self.folder);
        self.state.write(&name, encode(records), Only::Always).await?;
        let mut progress = self.lock();
        progress.stored += records.len();
        progress.segments += 1;
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, JournalState> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_round_trip_and_a_torn_end_is_left_out() {
        let records: Vec<_> = (0..3)
            .map(|n| JournalRecord { id: ImageId::of("b", &format!("{n}.jpg"), "e"), flags: n })
            .collect();
        let body = encode(&records);
        assert_eq!(decode(&body).collect::<Vec<_>>(), records);
        assert_eq!(decode(&body[..body.len() - 1]).collect::<Vec<_>>(), records[..2]);
        assert_eq!(seconds_of("1700000000-17-1"), Some(1_700_000_000));
    }
}
