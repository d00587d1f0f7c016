//! Admission: which of the delivered jobs need work.

use std::collections::{HashMap, HashSet};

use super::session::{Session, WantedObject};
use crate::consume::Delivery;
use crate::failure::Failure;
use crate::job::{Job, Redo};
use crate::object::{ImageId, ObjectRef};
use crate::settle::JobOutcome;
use crate::stage::Stage;

/// Object versions whose work begins, and which of them ask for a redo.
#[derive(Default)]
struct Admitted {
    objects: Vec<ObjectRef>,
    redo: HashMap<ImageId, Redo>,
}

impl<S: Stage> Session<S> {
    /// Notes the deliveries as begun, settles those whose rows exist, and returns the objects that
    /// need work.
    pub(super) async fn admit(&self, group: Vec<Delivery>, alone: bool) -> Vec<WantedObject> {
        let Admitted { objects, redo } = self.begin(group).await;
        let ids: Vec<_> = objects.iter().map(ObjectRef::image_id).collect();
        let mut halt = self.halts.halt();
        let existing = loop {
            match self.existing(&ids, &redo).await {
                Ok(existing) => break existing,
                // While the tables cannot be read, for whatever cause, none of the jobs can be
                // judged.
                Err(failure) => {
                    if !halt.again(&failure).await {
                        return Vec::new();
                    }
                }
            }
        };
        drop(halt);
        let mut wanted = Vec::new();
        for object in objects {
            let id = object.image_id();
            if existing.contains(&id) {
                self.settle(&object, JobOutcome::Exists).await;
            } else {
                let fresh = matches!(redo.get(&id), Some(Redo::Since(_)));
                wanted.push(WantedObject { object, alone, fresh });
            }
        }
        wanted
    }

    /// Notes the deliveries as begun. Those that are no job for this worker are dead at once.
    async fn begin(&self, group: Vec<Delivery>) -> Admitted {
        let mut admitted = Admitted::default();
        for delivery in group {
            match self.job_of(&delivery) {
                Ok(job) => {
                    let id = job.object.image_id();
                    if let Some(redo) = job.redo {
                        // Of several deliveries the strongest request counts.
                        let asked = admitted.redo.entry(id).or_insert(redo);
                        *asked = redo.max(*asked);
                    }
                    if self.loans.begin(id, delivery) {
                        admitted.objects.push(job.object);
                    }
                }
                Err(failure) => {
                    self.parts.settler.settle(delivery, failure.into(), &self.grace).await;
                }
            }
        }
        admitted
    }

    fn job_of(&self, delivery: &Delivery) -> Result<Job, Failure> {
        let job = Job::decode(&delivery.body)
            .map_err(|error| Failure::dead_letter(error.class(), error))?;
        let (theirs, ours) = (&job.object.bucket, self.parts.bucket.name());
        if theirs != ours {
            let reason = format!(
                "the job is for bucket '{theirs}', this worker serves '{ours}': \
                 give each its own amqp.namespace"
            );
            return Err(Failure::dead_letter("foreign_bucket", reason));
        }
        Ok(job)
    }

    /// Which of these object versions need no work.
    async fn existing(
        &self,
        ids: &[ImageId],
        redo: &HashMap<ImageId, Redo>,
    ) -> Result<HashSet<ImageId>, Failure> {
        let once: Vec<_> = ids.iter().filter(|id| !redo.contains_key(id)).copied().collect();
        let again: Vec<_> = ids.iter().filter_map(|id| Some((*id, *redo.get(id)?))).collect();
        let mut existing = HashSet::new();
        if !once.is_empty() {
            existing.extend(self.parts.stage.existing(&once).await?);
        }
        if !again.is_empty() {
            existing.extend(self.parts.stage.redone(&again).await?);
        }
        Ok(existing)
    }
}
