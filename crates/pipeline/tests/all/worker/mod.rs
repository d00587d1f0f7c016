//! The worker loop on a real broker and a real store, with a stage that fails on command: each
//! failure goes where its action says, and only the guilty one.

mod bench;

mod batches;
mod endings;
mod halts;
mod pauses;
