//! The numbers of a segment's documents.

/// So many numbers are looked at one by one before the others are searched.
const NEAR: usize = 8;

/// Number of the document at each place of a segment, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Numbers {
    /// Consecutive numbers.
    Run { first: u32, len: u32 },
    /// Numbers with gaps.
    Listed(Vec<u32>),
}

impl Numbers {
    /// `numbers` must ascend.
    pub(super) fn of(numbers: Vec<u32>) -> Self {
        match (numbers.first(), numbers.last()) {
            (Some(first), Some(last)) if (last - first) as usize == numbers.len() - 1 => {
                Self::Run { first: *first, len: last - first + 1 }
            }
            _ => Self::Listed(numbers),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Run { len, .. } => *len as usize,
            Self::Listed(numbers) => numbers.len(),
        }
    }

    pub(super) fn first(&self) -> Option<u32> {
        self.at(0)
    }

    pub(super) fn last(&self) -> Option<u32> {
        self.at(u32::try_from(self.len()).ok()?.checked_sub(1)?)
    }

    pub(super) fn at(&self, place: u32) -> Option<u32> {
        match self {
            Self::Run { first, len } => (place < *len).then(|| first.checked_add(place))?,
            Self::Listed(numbers) => numbers.get(place as usize).copied(),
        }
    }

    pub(super) fn place_of(&self, number: u32) -> Option<u32> {
        match self {
            Self::Run { first, len } => number.checked_sub(*first).filter(|place| place < len),
            Self::Listed(numbers) => {
                numbers.binary_search(&number).ok().and_then(|place| u32::try_from(place).ok())
            }
        }
    }

    /// The place of a number that is greater than all numbers before `start`, which becomes the
    /// place of the next one. Quick if there are few numbers between.
    #[inline]
    pub(super) fn place_from(&self, start: &mut usize, number: u32) -> Option<u32> {
        let numbers = match self {
            Self::Run { first, len } => {
                return number.checked_sub(*first).filter(|place| place < len);
            }
            Self::Listed(numbers) => numbers,
        };
        let later = numbers.get(*start..)?;
        let mut passed = later.iter().take(NEAR).take_while(|other| **other < number).count();
        if passed == NEAR {
            passed = later.partition_point(|other| *other < number);
        }
        *start += passed;
        let is_here = later.get(passed) == Some(&number);
        is_here.then(|| u32::try_from(*start).ok())?
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        (0..u32::try_from(self.len()).unwrap_or(u32::MAX)).filter_map(|place| self.at(place))
    }

    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Self::Run { .. } => 0,
            Self::Listed(numbers) => numbers.len() * size_of::<u32>(),
        }
    }
}
