//! Which position holds the vector of a slot.

use std::sync::Arc;

/// Slots whose positions are copied together when one of them changes.
const BLOCK: usize = 4096;

/// Stands for no position.
const NONE: u32 = u32::MAX;

/// Position by slot. A clone shares what neither changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    blocks: Vec<Option<Arc<[u32; BLOCK]>>>,
    len: usize,
}

impl Slots {
    /// The position of a slot's vector.
    #[inline]
    pub(super) fn position(&self, slot: u32) -> Option<u32> {
        let block = self.blocks.get(slot as usize / BLOCK)?.as_ref()?;
        block.get(slot as usize % BLOCK).copied().filter(|position| *position != NONE)
    }

    /// Sets or replaces the position of a slot, and returns the former one.
    pub(super) fn set(&mut self, slot: u32, position: u32) -> Option<u32> {
        let index = slot as usize / BLOCK;
        if index >= self.blocks.len() {
            self.blocks.resize(index + 1, None);
        }
        let block = self.blocks.get_mut(index)?.get_or_insert_with(|| Arc::new([NONE; BLOCK]));
        let place = Arc::make_mut(block).get_mut(slot as usize % BLOCK)?;
        let former = std::mem::replace(place, position);
        self.len += usize::from(former == NONE);
        Some(former).filter(|former| *former != NONE)
    }

    /// Takes a slot's position away.
    pub(super) fn remove(&mut self, slot: u32) {
        if self.position(slot).is_none() {
            return;
        }
        let block = self.blocks.get_mut(slot as usize / BLOCK).and_then(Option::as_mut);
        if let Some(place) =
            block.and_then(|block| Arc::make_mut(block).get_mut(slot as usize % BLOCK))
        {
            *place = NONE;
            self.len -= 1;
        }
    }

    /// How many slots have a position.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// All slots that ever had a position are below.
    pub(super) fn end(&self) -> u64 {
        (self.blocks.len() * BLOCK) as u64
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.blocks.iter().flatten().count() * BLOCK * 4 + self.blocks.capacity() * 8
    }
}
