//! The memory of which object versions have a job on its way, so that no second one is published.
//! Each takes 33 bytes per slot of a hash table, which is on average 2/3 and at most 7/8 full.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use pipeline::ImageId;

use super::journal::JournalRecord;

/// Its job went to the bulk queue.
pub(super) const BULK: u8 = 1;
/// An operator took its job off the bulk queue. It is not published again until a sweep releases
/// it.
const WITHHELD: u8 = 2;
/// Its job is a dead letter.
const DEAD: u8 = 4;
/// The broker has not confirmed its publish yet.
const UNCONFIRMED: u8 = 8;

/// The job of one object version.
#[derive(Debug, Clone, Copy)]
struct OutstandingJob {
    // Unix seconds in 32 bits, good until 2106, to keep the slots small.
    since: u32,
    flags: u8,
    // Number of the last full listing that held the object, modulo 256.
    listing: u8,
}

impl OutstandingJob {
    fn is_overdue(&self, deadline: u32) -> bool {
        self.since <= deadline && self.flags & (DEAD | WITHHELD | UNCONFIRMED) == 0
    }

    fn record(&self, id: ImageId) -> JournalRecord {
        JournalRecord { id, flags: self.flags & !UNCONFIRMED }
    }
}

/// How many outstanding jobs are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OutstandingCounts {
    pub(crate) on_their_way: usize,
    pub(crate) dead: usize,
    pub(crate) withheld: usize,
}

/// The outstanding jobs of one stage.
#[derive(Default)]
pub(super) struct OutstandingJobs {
    jobs: HashMap<ImageId, OutstandingJob>,
    listing: u8,
    listing_begun: u32,
}

fn now() -> u32 {
    u32::try_from(Timestamp::now().as_second()).unwrap_or(u32::MAX)
}

fn deadline(limit: Duration) -> u32 {
    now().saturating_sub(u32::try_from(limit.as_secs()).unwrap_or(u32::MAX))
}

impl OutstandingJobs {
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn contains(&self, id: &ImageId) -> bool {
        self.jobs.contains_key(id)
    }

    /// Takes over what an earlier process noted at `since`; the latest record of an id counts.
    pub(super) fn recall(&mut self, JournalRecord { id, flags }: JournalRecord, since: u32) {
        let recalled = OutstandingJob { since, flags, listing: self.listing };
        let job = self.jobs.entry(id).or_insert(recalled);
        if since >= job.since {
            *job = recalled;
        }
    }

    /// Notes a job that is about to be published; `false` if one is outstanding already.
    pub(super) fn begin(&mut self, id: ImageId, flags: u8) -> bool {
        if self.contains(&id) {
            return false;
        }
        let (flags, listing) = (flags | UNCONFIRMED, self.listing);
        self.jobs.insert(id, OutstandingJob { since: now(), flags, listing });
        true
    }

    /// The broker has confirmed its publish.
    pub(super) fn confirm(&mut self, id: &ImageId) {
        if let Some(job) = self.jobs.get_mut(id) {
            job.flags &= !UNCONFIRMED;
        }
    }

    pub(super) fn forget<'a>(&mut self, ids: impl IntoIterator<Item = &'a ImageId>) {
        for id in ids {
            self.jobs.remove(id);
        }
    }

    /// Forgets it unless it is a dead letter.
    pub(super) fn forget_unless_dead(&mut self, id: &ImageId) {
        if self.jobs.get(id).is_some_and(|job| job.flags & DEAD == 0) {
            self.jobs.remove(id);
        }
    }

    /// Forgets the jobs whose rows exist.
    pub(super) fn forget_arrived(&mut self, indexed: impl Fn(&ImageId) -> bool) {
        self.jobs.retain(|id, _| !indexed(id));
    }

    /// Notes these as dead letters. If they are `all` there are, a job that was noted as dead
    /// before and is not among them was replayed or dropped: it counts as on its way from now on.
    pub(super) fn note_dead(&mut self, ids: impl Iterator<Item = ImageId>, all: bool) {
        let (now, listing) = (now(), self.listing);
        for job in self.jobs.values_mut().filter(|job| all && job.flags & DEAD != 0) {
            *job = OutstandingJob { since: now, flags: job.flags & !DEAD, ..*job };
        }
        for id in ids {
            let unknown = OutstandingJob { since: now, flags: 0, listing };
            self.jobs.entry(id).or_insert(unknown).flags |= DEAD;
        }
    }

    pub(super) fn any_overdue(&self, limit: Duration) -> bool {
        let deadline = deadline(limit);
        self.jobs.values().any(|job| job.is_overdue(deadline))
    }

    /// Forgets jobs that have been on their way for longer than `limit`; returns how many.
    pub(super) fn forget_overdue(&mut self, limit: Duration) -> usize {
        let deadline = deadline(limit);
        self.retain(|job| !job.is_overdue(deadline))
    }

    /// Withholds all jobs that went to the bulk queue up to this moment, and gives `note` a record
    /// of each.
    pub(super) fn withhold(&mut self, until: Timestamp, mut note: impl FnMut(JournalRecord)) {
        let until = u32::try_from(until.as_second()).unwrap_or(0);
        for (id, job) in &mut self.jobs {
            if job.flags & (BULK | DEAD | WITHHELD) == BULK && job.since <= until {
                job.flags |= WITHHELD;
                note(job.record(*id));
            }
        }
    }

    /// Notes these as withheld although they were never published.
    pub(super) fn withhold_unpublished(
        &mut self,
        ids: impl Iterator<Item = ImageId>,
        mut note: impl FnMut(JournalRecord),
    ) {
        let (flags, listing) = (BULK | WITHHELD, self.listing);
        for id in ids {
            let withheld = OutstandingJob { since: now(), flags, listing };
            self.jobs.entry(id).or_insert(withheld);
            note(JournalRecord { id, flags });
        }
    }

    /// Forgets the withheld jobs, so that they are published again; returns how many.
    pub(super) fn release(&mut self) -> usize {
        self.retain(|job| job.flags & WITHHELD == 0)
    }

    pub(super) fn begin_listing(&mut self) {
        self.listing = self.listing.wrapping_add(1);
        self.listing_begun = now();
    }

    /// These objects are in the present listing.
    pub(super) fn note_listed<'a>(&mut self, ids: impl Iterator<Item = &'a ImageId>) {
        for id in ids {
            if let Some(job) = self.jobs.get_mut(id) {
                job.listing = self.listing;
            }
        }
    }

    /// Forgets the jobs whose object the present listing did not hold, unless they are younger than
    /// the listing.
    pub(super) fn forget_unlisted(&mut self) {
        let (listing, begun) = (self.listing, self.listing_begun);
        self.jobs.retain(|_, job| job.listing == listing || job.since >= begun);
    }

    pub(super) fn records(&self) -> Vec<JournalRecord> {
        self.jobs.iter().map(|(id, job)| job.record(*id)).collect()
    }

    pub(super) fn counts(&self) -> OutstandingCounts {
        let mut counts = OutstandingCounts::default();
        for job in self.jobs.values() {
            match job.flags {
                flags if flags & DEAD != 0 => counts.dead += 1,
                flags if flags & WITHHELD != 0 => counts.withheld += 1,
                _ => counts.on_their_way += 1,
            }
        }
        counts
    }

    fn retain(&mut self, keep: impl Fn(&OutstandingJob) -> bool) -> usize {
        let before = self.len();
        self.jobs.retain(|_, job| keep(job));
        before - self.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> ImageId {
        ImageId::from_u128(n)
    }

    #[test]
    fn a_job_is_published_once_until_it_is_forgotten() {
        let mut jobs = OutstandingJobs::default();
        assert!(jobs.begin(id(1), 0) && !jobs.begin(id(1), BULK));
        jobs.begin(id(2), BULK);
        jobs.note_dead([id(3)].into_iter(), true);
        let mut noted = Vec::new();
        jobs.withhold(Timestamp::now(), |record| noted.push(record.id));
        assert_eq!(noted, [id(2)]);
        let counts = OutstandingCounts { on_their_way: 1, dead: 1, withheld: 1 };
        assert_eq!(jobs.counts(), counts);
        assert!(!jobs.any_overdue(Duration::ZERO), "an unconfirmed one is not overdue");
        jobs.confirm(&id(1));
        assert_eq!((jobs.release(), jobs.forget_overdue(Duration::ZERO)), (1, 1));
        jobs.forget_unless_dead(&id(3));
        assert!(jobs.contains(&id(3)) && jobs.len() == 1);
        jobs.note_dead(std::iter::empty(), true);
        jobs.forget_unless_dead(&id(3));
        assert_eq!(jobs.len(), 0, "a dead letter that is gone was replayed");
    }
}
