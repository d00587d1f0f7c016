//! Back pressure: listings publish only while a stage's queues have room. The broker has a limit of
//! its own, but it is overshot and opens again only once the queue has drained, so publishing stops
//! well below it.

use std::sync::Arc;
use std::time::Duration;

use pipeline::depths::QueueDepths;
use pipeline::stage_name::StageName;
use pipeline::topology::Depths;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::settings::BackpressureSettings;

const POLL: Duration = Duration::from_secs(2);

/// The queues of one stage as last seen.
#[derive(Debug, Clone, Copy)]
struct QueueState {
    // Listings may publish.
    open: bool,
    // Fewer jobs than the low mark wait; false while the depth is unknown.
    calm: bool,
    // Since when only dead letters have waited.
    idle_since: Option<Instant>,
}

impl QueueState {
    const UNKNOWN: Self = Self { open: true, calm: false, idle_since: None };
}

/// How full the queues of one stage are; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct StageQueues {
    seen: watch::Receiver<QueueState>,
}

impl StageQueues {
    /// Looks at the queues of a stage every two seconds, as long as a handle exists.
    pub(crate) fn start(
        depths: &Arc<QueueDepths>,
        stage: StageName,
        settings: BackpressureSettings,
    ) -> Self {
        let (sender, seen) = watch::channel(QueueState::UNKNOWN);
        let depths = Arc::clone(depths);
        tokio::spawn(async move {
            while !sender.is_closed() {
                match depths.depths(&stage).await {
                    Ok(depths) => {
                        sender.send_modify(|seen| seen.update(&stage, depths, &settings));
                    }
                    Err(error) => {
                        tracing::debug!(%error, %stage, "the depth of the queues is not known");
                        sender.send_modify(|seen| {
                            *seen = QueueState { open: seen.open, ..QueueState::UNKNOWN };
                        });
                    }
                }
                tokio::time::sleep(POLL).await;
            }
            // A gauge keeps its last value. These queues are gone, or another process shows them.
            show(&stage, true, Depths::default());
        });
        Self { seen }
    }

    /// Waits until the queues have room. Does not wait for a broker that is away: the publisher
    /// does.
    pub(crate) async fn wait_for_room(&self) {
        let _ = self.seen.clone().wait_for(|seen| seen.open).await;
    }

    /// Whether the queues have room.
    pub(crate) fn have_room(&self) -> bool {
        self.seen.borrow().open
    }

    /// Whether fewer jobs than the low mark wait.
    pub(crate) fn are_calm(&self) -> bool {
        self.seen.borrow().calm
    }

    /// Whether only dead letters have waited for this long.
    pub(crate) fn idle_for(&self, time: Duration) -> bool {
        self.seen.borrow().idle_since.is_some_and(|since| since.elapsed() >= time)
    }
}

impl QueueState {
    fn update(&mut self, stage: &StageName, depths: Depths, settings: &BackpressureSettings) {
        let waiting = depths.work.unwrap_or(0).saturating_add(depths.bulk.unwrap_or(0));
        let was_open = self.open;
        self.open = if self.open { waiting <= settings.high } else { waiting < settings.low };
        self.calm = waiting < settings.low;
        if was_open && !self.open {
            let high = settings.high;
            tracing::warn!(%stage, waiting, high, "full queues: publishing from listings pauses");
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
    let open = f64::from(u8::from(open));
    metrics::gauge!("bucketlens_ingest_queue_open", "stage" => stage.to_string()).set(open);
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
        let (stage, mut seen) = (StageName::embed("a"), QueueState::UNKNOWN);
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
