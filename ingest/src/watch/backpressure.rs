//! Back pressure: how full the queues are, and whether more may be put into them. The broker's own
//! limit is a wall that is overshot and only opens again when the queue has drained; this keeps
//! publishing well away from it.

use std::time::Duration;

use pipeline::connection::AmqpSettings;
use pipeline::depths::QueueDepths;
use pipeline::stage_name::StageName;
use pipeline::topology::Depths;
use serde::Deserialize;
use service::settings::SettingsError;
use tokio::sync::watch;
use tokio::time::Instant;

const POLL: Duration = Duration::from_secs(2);

/// `[backpressure]`: between which depths of the queues publishing pauses.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackpressureSettings {
    /// Waiting jobs of a stage above which nothing more is published from listings.
    pub high: u32,
    /// Waiting jobs below which publishing goes on.
    pub low: u32,
}

impl BackpressureSettings {
    pub(crate) fn validate(&self) -> Result<(), SettingsError> {
        if self.high > 4_000_000 {
            return Err(SettingsError::value(
                "backpressure.high",
                "must be at most 4000000: queues are limited to 5000000",
            ));
        }
        if self.low == 0 || self.low > self.high {
            return Err(SettingsError::value(
                "backpressure.low",
                "must be from 1 to backpressure.high",
            ));
        }
        Ok(())
    }
}

/// What the queues looked like.
#[derive(Debug, Clone, Copy)]
struct Seen {
    open: bool,
    // Fewer wait than the low mark says; not so while nobody knows.
    calm: bool,
    // Since when nothing has waited anywhere but in the dead queue.
    idle_since: Option<Instant>,
}

/// Handle to the latest look at the queues; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Governor {
    // In the order of the stages.
    seen: watch::Receiver<Vec<Seen>>,
}

impl Governor {
    /// Looks at the queues of these stages every two seconds, as long as a handle exists.
    pub(crate) fn start(
        amqp: AmqpSettings,
        settings: BackpressureSettings,
        stages: Vec<StageName>,
    ) -> Self {
        let (sender, seen) =
            watch::channel(vec![Seen { open: true, calm: false, idle_since: None }; stages.len()]);
        tokio::spawn(async move {
            let queues = QueueDepths::new(amqp);
            while !sender.is_closed() {
                for (place, stage) in stages.iter().enumerate() {
                    match queues.depths(stage).await {
                        Ok(depths) => {
                            sender.send_modify(|seen| seen[place].update(stage, depths, &settings))
                        }
                        Err(error) => {
                            tracing::debug!(%error, "the depth of the queues is not known");
                            sender.send_modify(|seen| {
                                seen[place] = Seen { calm: false, idle_since: None, ..seen[place] }
                            });
                        }
                    }
                }
                tokio::time::sleep(POLL).await;
            }
            // A gauge keeps what it was told last: of queues that are gone, or another process's
            // business by now.
            stages.iter().for_each(|stage| show(stage, true, Depths::default()));
        });
        Self { seen }
    }

    /// Waits until the queues of the stage at this place have room. A broker that is away does not
    /// keep waiting here: the publisher waits for it.
    pub(crate) async fn wait(&self, stage: usize) {
        let _ =
            self.seen.clone().wait_for(|seen| seen.get(stage).is_none_or(|seen| seen.open)).await;
    }

    /// Whether the backfill of a stage that nobody waits for may go on: its own queues have room,
    /// and those of the stage that people do wait for hold less than the low mark.
    pub(crate) fn spare_time(&self, stage: usize, active: usize) -> bool {
        let seen = self.seen.borrow();
        seen.get(stage).is_some_and(|seen| seen.open)
            && seen.get(active).is_some_and(|seen| seen.calm)
    }

    /// Whether nothing has waited in any queue but the dead ones for this long.
    pub(crate) fn idle_for(&self, time: Duration) -> bool {
        self.seen
            .borrow()
            .iter()
            .all(|seen| seen.idle_since.is_some_and(|since| since.elapsed() >= time))
    }
}

impl Seen {
    fn update(&mut self, stage: &StageName, depths: Depths, settings: &BackpressureSettings) {
        let waiting = depths.work.unwrap_or(0).saturating_add(depths.bulk.unwrap_or(0));
        let was_open = self.open;
        self.open = if self.open { waiting <= settings.high } else { waiting < settings.low };
        self.calm = waiting < settings.low;
        if was_open && !self.open {
            tracing::warn!(%stage, waiting, high = settings.high, "the queues are full enough, publishing from listings pauses");
        } else if self.open && !was_open {
            tracing::info!(%stage, waiting, "publishing from listings goes on");
        }
        let others = depths.retry.unwrap_or(0) + depths.suspect.unwrap_or(0);
        let idle = waiting == 0 && others == 0;
        self.idle_since =
            if idle { self.idle_since.or_else(|| Some(Instant::now())) } else { None };
        show(stage, self.open, depths);
    }
}

fn show(stage: &StageName, open: bool, depths: Depths) {
    metrics::gauge!("bucketlens_ingest_queue_open", "stage" => stage.to_string()).set(if open {
        1.0
    } else {
        0.0
    });
    for (queue, depth) in [
        ("work", depths.work),
        ("bulk", depths.bulk),
        ("retry", depths.retry),
        ("suspect", depths.suspect),
        ("dead", depths.dead),
    ] {
        metrics::gauge!("bucketlens_queue_depth", "stage" => stage.to_string(), "queue" => queue)
            .set(f64::from(depth.unwrap_or(0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishing_pauses_above_the_high_mark_until_below_the_low_one() {
        let settings = BackpressureSettings { high: 10, low: 5 };
        let (stage, mut seen) =
            (StageName::embed("a"), Seen { open: true, calm: false, idle_since: None });
        let mut open_at = |work: u32, bulk: u32| {
            let depths = Depths {
                work: Some(work),
                bulk: Some(bulk),
                retry: None,
                suspect: None,
                dead: Some(7),
            };
            seen.update(&stage, depths, &settings);
            (seen.open, seen.calm, seen.idle_since.is_some())
        };
        assert_eq!(open_at(5, 5), (true, false, false));
        assert_eq!(open_at(6, 5), (false, false, false));
        assert_eq!(open_at(3, 2), (false, false, false));
        assert_eq!(open_at(2, 2), (true, true, false));
        assert_eq!(open_at(0, 0), (true, true, true));
    }
}
