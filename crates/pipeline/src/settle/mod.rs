//! Settling: every delivery ends exactly once: as done, in a retry queue, or in the dead queue. A
//! delivery whose work did not begin is republished to the queue it came from.

mod failed;
mod grace;
mod outcome;
mod settler;

pub(crate) use grace::GracePeriod;
pub(crate) use outcome::JobOutcome;
pub use settler::Settler;
