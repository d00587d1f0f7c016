//! Work on a snapshot that takes seconds: its vectors are listed, its words merged. It is done in
//! the background, on what the snapshot was then, and taken over when it is done.

use ::snapshot::vectors::{VectorError, Vectors};
use ::snapshot::words::WordIndex;
use tokio::task::JoinHandle;

use super::build::{FollowError, SnapshotBuild};

/// What was worked on, and the result.
enum DoneWork {
    Vectors { captions: bool, listed: Result<Vectors, VectorError> },
    Words { which: usize, merged: WordIndex },
}

/// At most one piece of work at a time.
#[derive(Default)]
pub(super) struct BackgroundWork {
    running: Option<JoinHandle<DoneWork>>,
}

impl BackgroundWork {
    /// Takes over what is done, and begins what is due. Returns whether the snapshot changed.
    ///
    /// # Errors
    /// A local file cannot be used.
    pub(super) async fn advance(&mut self, build: &mut SnapshotBuild) -> Result<bool, FollowError> {
        let mut changed = false;
        if self.running.as_ref().is_some_and(JoinHandle::is_finished) {
            self.take_over(build).await?;
            changed = true;
        }
        if self.running.is_none() {
            self.running = begin(build);
        }
        Ok(changed)
    }

    /// Does everything that is due, and waits for it.
    ///
    /// # Errors
    /// A local file cannot be used.
    pub(super) async fn finish(&mut self, build: &mut SnapshotBuild) -> Result<(), FollowError> {
        loop {
            if self.running.is_some() {
                self.take_over(build).await?;
            }
            self.running = begin(build);
            if self.running.is_none() {
                return Ok(());
            }
        }
    }

    async fn take_over(&mut self, build: &mut SnapshotBuild) -> Result<(), FollowError> {
        let Some(running) = self.running.take() else { return Ok(()) };
        let failed = FollowError::Misfit("its upkeep hit a defect");
        match running.await.map_err(|_| failed)? {
            DoneWork::Vectors { captions, listed } => {
                let known = match captions {
                    true => &mut build.caption_vectors,
                    false => &mut build.image_vectors,
                };
                let listed = listed?;
                *known = known.take().map(|newer| newer.adopt_lists(&listed)).transpose()?;
            }
            DoneWork::Words { which, merged } => {
                let words = words_of(build).into_iter().nth(which);
                if let Some(words) = words {
                    *words = words.adopted(&merged);
                }
            }
        }
        Ok(())
    }
}

fn words_of(build: &mut SnapshotBuild) -> [&mut WordIndex; 3] {
    [&mut build.keys, &mut build.said, &mut build.keywords]
}

fn begin(build: &mut SnapshotBuild) -> Option<JoinHandle<DoneWork>> {
    for (captions, known) in [(false, &build.image_vectors), (true, &build.caption_vectors)] {
        if let Some(known) = known.clone().filter(Vectors::should_list) {
            return Some(tokio::task::spawn_blocking(move || DoneWork::Vectors {
                captions,
                listed: known.listed(),
            }));
        }
    }
    let captions = build.captions.clone();
    for (which, words) in words_of(build).into_iter().enumerate() {
        if words.should_merge() {
            let words = words.clone();
            return Some(tokio::task::spawn_blocking(move || {
                // Keys of pictures that are gone stay: their slots are never used again.
                let merged = words.merged(|row| which == 0 || captions.is_current(row));
                DoneWork::Words { which, merged }
            }));
        }
    }
    None
}
