//! Pictures by date, newest first: by when they were taken, or else when their object was written,
//! or else when their row was. Equal dates come in the order of their identities.

use std::ops::Range;

use super::Pictures;
use crate::bits::Bits;

/// The members of a set by date, newest first.
#[derive(Debug, Clone, Default)]
pub struct DateOrder {
    slots: Vec<u32>,
    dates: Vec<i64>,
}

impl Pictures {
    /// The date of a picture, in microseconds since 1970.
    pub fn date(&self, slot: u32) -> i64 {
        let date = self.taken(slot).or_else(|| self.modified(slot));
        date.or_else(|| self.written(slot)).unwrap_or(0)
    }

    fn place(&self, slot: u32) -> (i64, u128) {
        (self.date(slot), self.id(slot).unwrap_or(0))
    }

    /// All members of a set by date.
    pub fn by_date(&self, members: &Bits) -> DateOrder {
        let mut places: Vec<_> = members.iter().map(|slot| (self.place(slot), slot)).collect();
        places.sort_unstable_by(|a, b| b.cmp(a));
        DateOrder {
            dates: places.iter().map(|((date, _), _)| *date).collect(),
            slots: places.into_iter().map(|(_, slot)| slot).collect(),
        }
    }

    /// As [`by_date`](Self::by_date), quicker where most members were in a former order: it needs
    /// no sorting but of those that joined.
    pub fn by_date_since(&self, former: &DateOrder, before: &Bits, members: &Bits) -> DateOrder {
        let mut joined = members.clone();
        joined.subtract(before);
        let joined = self.by_date(&joined);
        let mut order = DateOrder::default();
        let mut more = joined.slots.iter().zip(&joined.dates).peekable();
        for (slot, date) in former.slots.iter().zip(&former.dates) {
            if !members.has(*slot) {
                continue;
            }
            while let Some((other, at)) = more
                .next_if(|(other, _)| self.place(**other) > (*date, self.id(*slot).unwrap_or(0)))
            {
                order.push(*other, *at);
            }
            order.push(*slot, *date);
        }
        more.for_each(|(slot, date)| order.push(*slot, *date));
        order
    }
}

impl DateOrder {
    fn push(&mut self, slot: u32, date: i64) {
        self.slots.push(slot);
        self.dates.push(date);
    }

    /// Slots and dates of all pictures.
    pub fn slots(&self) -> &[u32] {
        &self.slots
    }

    /// The date of each picture of [`slots`](Self::slots), in microseconds since 1970.
    pub fn dates(&self) -> &[i64] {
        &self.dates
    }

    /// Places of the pictures from `from` to before `before`, in microseconds.
    pub fn between(&self, from: Option<i64>, before: Option<i64>) -> Range<usize> {
        let begin = before.map_or(0, |before| self.dates.partition_point(|date| *date >= before));
        let end =
            from.map_or(self.dates.len(), |from| self.dates.partition_point(|date| *date >= from));
        begin..end.max(begin)
    }

    /// The place after a picture, whether it is still there or not.
    pub fn after(&self, pictures: &Pictures, date: i64, id: u128) -> usize {
        self.slots.partition_point(|slot| pictures.place(*slot) >= (date, id))
    }

    /// Bytes of memory.
    pub fn memory_bytes(&self) -> usize {
        self.slots.capacity() * 4 + self.dates.capacity() * 8
    }
}
