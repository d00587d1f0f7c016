//! From the identity of a picture to its slot.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{PoisonError, RwLock};

use crate::pictures::Pictures;

/// Passes on the halves of identities, which are hashes already.
#[derive(Debug, Default, Clone, Copy)]
struct HashedAlready(u64);

impl Hasher for HashedAlready {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

type ByHash<V> = HashMap<u64, V, BuildHasherDefault<HashedAlready>>;

/// The slots of all pictures. KnownSlots are only added, so one value serves every snapshot: a slot
/// beyond the end of a snapshot's pictures is unknown to it.
#[derive(Debug, Default)]
pub struct SlotById {
    slots: RwLock<KnownSlots>,
}

#[derive(Debug, Default)]
struct KnownSlots {
    // By half of the identity, which saves half of the memory.
    by_half: ByHash<u32>,
    // Those whose half another one has.
    others: HashMap<u128, u32>,
}

impl SlotById {
    /// The slots of these pictures.
    pub fn of(pictures: &Pictures) -> Self {
        let ids = Self::default();
        (0..pictures.len() as u32)
            .filter_map(|slot| Some((pictures.id(slot)?, slot)))
            .for_each(|(id, slot)| ids.insert(id, slot));
        ids
    }

    /// The slot of a picture of this snapshot.
    pub fn slot(&self, id: u128, pictures: &Pictures) -> Option<u32> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let is_it = |slot: &u32| pictures.id(*slot) == Some(id);
        let by_half = slots.by_half.get(&(id as u64)).copied().filter(is_it);
        by_half.or_else(|| slots.others.get(&id).copied().filter(is_it))
    }

    /// Notes the slot of a new picture.
    pub fn insert(&self, id: u128, slot: u32) {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        if *slots.by_half.entry(id as u64).or_insert(slot) != slot {
            slots.others.insert(id, slot);
        }
    }

    /// Bytes of memory, about.
    pub fn memory_bytes(&self) -> usize {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        slots.by_half.capacity() * 17 + slots.others.capacity() * 33
    }
}

/// The pictures of each object: its versions, of which the newest one counts.
#[derive(Debug, Default)]
pub struct SlotsByObject {
    last: ByHash<u32>,
    // For every slot, one more than the former slot of the same object; 0 for none.
    former: Vec<u32>,
}

impl SlotsByObject {
    /// Those of these pictures.
    pub fn of(pictures: &Pictures) -> Self {
        let mut objects = Self::default();
        for slot in 0..pictures.len() as u32 {
            objects.insert(pictures.object(slot).unwrap_or(0), slot);
        }
        objects
    }

    /// Notes the next slot. KnownSlots come in their order.
    pub fn insert(&mut self, object: u64, slot: u32) {
        let former = self.last.insert(object, slot).map_or(0, |former| former + 1);
        self.former.resize(slot as usize, 0);
        self.former.push(former);
    }

    /// All slots of an object, the latest first.
    pub fn slots(&self, object: u64) -> impl Iterator<Item = u32> {
        let last = self.last.get(&object).copied();
        std::iter::successors(last, |slot| {
            self.former.get(*slot as usize).and_then(|former| former.checked_sub(1))
        })
    }

    /// Bytes of memory, about.
    pub fn memory_bytes(&self) -> usize {
        self.last.capacity() * 17 + self.former.capacity() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pictures::PictureEntry;

    fn picture(id: u128, object: u64) -> PictureEntry {
        PictureEntry {
            id,
            object,
            content: 0,
            key: String::new(),
            format: "png".into(),
            modified: None,
            written: 0,
            taken: None,
            width: 1,
            height: 1,
            size: 1,
            place: None,
            record: 0,
        }
    }

    #[test]
    fn identities_with_the_same_half_are_told_apart() {
        let other = 5 | 1 << 100;
        let pictures = Pictures::default().with(&[picture(5, 1), picture(other, 2), picture(9, 1)]);
        let ids = SlotById::of(&pictures);
        assert_eq!(
            [5, other, 9, 6].map(|id| ids.slot(id, &pictures)),
            [Some(0), Some(1), Some(2), None]
        );
        let objects = SlotsByObject::of(&pictures);
        assert_eq!(objects.slots(1).collect::<Vec<_>>(), [2, 0]);
        assert_eq!(objects.slots(2).collect::<Vec<_>>(), [1]);
        assert_eq!(objects.slots(3).count(), 0);
        // A snapshot from before the last picture came.
        assert_eq!(ids.slot(9, &Pictures::default()), None);
    }
}
