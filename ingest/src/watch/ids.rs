//! Very many identities in little memory: 16 bytes and two flags each.

use pipeline::ImageId;

/// A sorted list of identities, each with two flags: seen in a listing, and dismissed for good.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    sorted: Vec<ImageId>,
    seen: BitSet,
    dismissed: BitSet,
    spare: usize,
}

#[derive(Debug, Default)]
struct BitSet(Vec<u64>);

impl BitSet {
    fn of(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)])
    }

    fn get(&self, index: usize) -> bool {
        self.0[index / 64] >> (index % 64) & 1 == 1
    }

    fn set(&mut self, index: usize) {
        self.0[index / 64] |= 1 << (index % 64);
    }
}

impl Ids {
    /// From any order; duplicates count once.
    pub(crate) fn new(mut ids: Vec<ImageId>) -> Self {
        ids.sort_unstable();
        let all = ids.len();
        ids.dedup();
        let len = ids.len();
        Self { sorted: ids, seen: BitSet::of(len), dismissed: BitSet::of(len), spare: all - len }
    }

    pub(crate) fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Number of duplicates in the original list.
    pub(crate) fn spare(&self) -> usize {
        self.spare
    }

    /// Whether it is in the list and not dismissed.
    pub(crate) fn contains(&self, id: &ImageId) -> bool {
        self.sorted.binary_search(id).is_ok_and(|index| !self.dismissed.get(index))
    }

    /// Flags it as seen; returns whether it is in the list and not dismissed.
    pub(crate) fn see(&mut self, id: &ImageId) -> bool {
        let Ok(index) = self.sorted.binary_search(id) else { return false };
        self.seen.set(index);
        !self.dismissed.get(index)
    }

    /// Clears the flag "seen" of all.
    pub(crate) fn begin(&mut self) {
        self.seen.0.fill(0);
    }

    /// Dismisses these: they count as absent, and [`Self::unseen`] leaves them out.
    pub(crate) fn dismiss<'a>(&mut self, ids: impl IntoIterator<Item = &'a ImageId>) {
        for id in ids {
            if let Ok(index) = self.sorted.binary_search(id) {
                self.dismissed.set(index);
            }
        }
    }

    /// Those that were neither seen nor dismissed.
    pub(crate) fn unseen(&self) -> impl Iterator<Item = ImageId> + '_ {
        let open = |index: &usize| !self.seen.get(*index) && !self.dismissed.get(*index);
        (0..self.sorted.len()).filter(open).map(|index| self.sorted[index])
    }

    /// How many of them `other` does not hold.
    pub(crate) fn not_in(&self, other: &Self) -> usize {
        self.sorted.iter().filter(|id| other.sorted.binary_search(id).is_err()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> ImageId {
        ImageId::from_u128(n)
    }

    #[test]
    fn what_is_neither_seen_nor_dismissed_is_left() {
        let mut ids = Ids::new([5, 3, 5, 200, 70, 3, 5].map(id).to_vec());
        assert_eq!((ids.len(), ids.spare()), (4, 3));
        assert!(ids.see(&id(70)) && !ids.see(&id(71)));
        ids.dismiss(&[id(200)]);
        assert!(ids.contains(&id(5)) && !ids.contains(&id(200)));
        assert_eq!(ids.unseen().collect::<Vec<_>>(), [3, 5].map(id));
        ids.begin();
        assert_eq!(ids.unseen().collect::<Vec<_>>(), [3, 5, 70].map(id));
        assert_eq!(ids.not_in(&Ids::new(vec![id(3)])), 3);
    }
}
