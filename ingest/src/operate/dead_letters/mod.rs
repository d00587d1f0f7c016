//! Dead letters: jobs that cannot succeed, each with its reason. Operators look at them, put them
//! back to work, or drop them. Needs no active ingest.

mod view;

use std::time::Duration;

use pipeline::bucket::Bucket;
use pipeline::connection::AmqpSettings;
use pipeline::dead::{self, MAX_RATE, Pace, Selection, Walked};
use pipeline::publish::Publisher;
use pipeline::stage_name::StageName;
use serde_json::json;
use service::health::Health;

use super::operations::{OperationEnd, OperationReporter};
use super::refusal::{Unknown, WrongField};
use super::stages;
use crate::settings::Settings;
pub(crate) use view::{GatheredLetters, LetterGroups, LetterList, LetterNow, MoveTrial};

/// Letters that a list shows unless told otherwise.
pub(crate) const LISTED: usize = 100;
const LINK_LIFETIME: Duration = Duration::from_secs(600);

/// What moving letters does with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LetterAction {
    /// Puts them back to work.
    Replay,
    /// Takes them out for good.
    Drop,
}

/// Which letters of a stage are moved, and how.
pub(crate) struct LetterOrder {
    pub(crate) how: LetterAction,
    pub(crate) stage: StageName,
    pub(crate) selection: Selection,
    /// Letters per second; `None`: as fast as the broker takes them.
    pub(crate) rate: Option<f64>,
}

/// The dead letters of all stages that the settings name.
#[derive(Clone)]
pub(crate) struct DeadLetters {
    amqp: AmqpSettings,
    stages: Vec<StageName>,
    bucket: Bucket,
    publisher: Option<Publisher>,
}

/// Reads a rate in letters per second.
pub(crate) fn parse_rate(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| wrong_rate()).and_then(check_rate)
}

/// Checks a rate in letters per second.
pub(crate) fn check_rate(rate: f64) -> Result<f64, String> {
    if (0.001..=MAX_RATE).contains(&rate) { Ok(rate) } else { Err(wrong_rate()) }
}

fn wrong_rate() -> String {
    format!("must be a number of letters per second, from 0.001 to {MAX_RATE}")
}

/// The selection of one letter by its id, or by the first eight digits of it or more.
pub(crate) fn by_id(id: &str) -> Selection {
    Selection { ids: vec![id.to_owned()], ..Selection::default() }
}

impl DeadLetters {
    /// Without a `publisher`, one is started for each replay.
    pub(crate) fn new(settings: &Settings, bucket: Bucket, publisher: Option<Publisher>) -> Self {
        let (amqp, stages) = (settings.amqp.clone(), settings.stages.all());
        Self { amqp, stages, bucket, publisher }
    }

    /// For a command.
    pub(crate) async fn connect(settings: &Settings) -> Self {
        Self::new(settings, Bucket::connect(&settings.bucket).await, None)
    }

    /// The stages they come from.
    pub(crate) fn stages(&self) -> &[StageName] {
        &self.stages
    }

    /// The selected stage, or all.
    pub(crate) fn stages_of(&self, selection: &Selection) -> Result<Vec<StageName>, WrongField> {
        match &selection.stage {
            Some(stage) => Ok(vec![stages::named(&self.stages, stage.as_str())?]),
            None => Ok(self.stages.clone()),
        }
    }

    /// The selected stage, which may be left out only where there is no other.
    pub(crate) fn one_stage_of(&self, selection: &Selection) -> Result<StageName, WrongField> {
        match self.stages_of(selection)?.as_slice() {
            [only] => Ok(only.clone()),
            _ => Err(WrongField::new("stage", "is needed: one operation works on one stage")),
        }
    }

    /// The selected letters.
    pub(crate) async fn look(&self, selection: &Selection) -> anyhow::Result<GatheredLetters> {
        let stages = self.stages_of(selection)?;
        Ok(GatheredLetters::look(&self.amqp, &stages, selection).await?)
    }

    /// The letters that [`by_id`] selects, with what has become of their objects.
    pub(crate) async fn show(&self, selection: &Selection) -> anyhow::Result<Vec<LetterNow>> {
        let gathered = self.look(selection).await?;
        if gathered.selected.is_empty() {
            let ids: String = selection.ids.join(", ").chars().take(64).collect();
            let problem = format!("no dead letter has the id '{ids}', or one that begins so");
            return Err(Unknown(problem).into());
        }
        gathered.with_presence(&self.bucket).await
    }

    /// A link to the object of a letter, as it is now.
    pub(crate) async fn link(&self, selection: &Selection) -> anyhow::Result<String> {
        let gone = || {
            let problem = "no dead letter with this id has an object that is still there";
            Unknown(problem.to_owned())
        };
        let letter = self.look(selection).await?.selected.into_iter().next().ok_or_else(gone)?;
        let key = letter.object.ok_or_else(gone)?.key;
        self.bucket.head(&key).await?.ok_or_else(gone)?;
        Ok(self.bucket.presigned_get(&key, LINK_LIFETIME, None).await?)
    }

    /// How many letters a move would concern, and what has become of their objects.
    pub(crate) async fn trial(&self, selection: &Selection) -> anyhow::Result<MoveTrial> {
        self.look(selection).await?.trial(&self.bucket).await
    }

    /// Replays or drops the selected letters of one stage.
    pub(crate) async fn shift(
        &self,
        how: LetterAction,
        stage: &StageName,
        selection: &Selection,
        pace: &Pace,
    ) -> anyhow::Result<Walked> {
        Ok(match how {
            LetterAction::Drop => dead::discard(&self.amqp, stage, selection, pace).await?,
            LetterAction::Replay => {
                let publisher =
                    self.publisher.clone().unwrap_or_else(|| self.start_publisher(stage));
                dead::replay(&self.amqp, stage, &publisher, selection, pace).await?
            }
        })
    }

    /// Replays or drops letters in the background.
    pub(crate) async fn carry_out(
        self,
        LetterOrder { how, stage, selection, rate }: LetterOrder,
        reporter: OperationReporter,
    ) -> anyhow::Result<OperationEnd> {
        let pace = Pace { rate, ..Pace::full(reporter.cancel.clone()) };
        let mut progress = pace.progress.subscribe();
        let teller = reporter.clone();
        let telling = tokio::spawn(async move {
            while progress.changed().await.is_ok() {
                teller.progress(json!(*progress.borrow_and_update()));
            }
        });
        let walked = self.shift(how, &stage, &selection, &pace).await;
        drop(pace);
        let _ = telling.await;
        let walked = walked?;
        let result = json!(walked);
        Ok(if walked.cancelled {
            OperationEnd::Cancelled(result)
        } else {
            OperationEnd::Done(result)
        })
    }

    fn start_publisher(&self, stage: &StageName) -> Publisher {
        let name = format!("ingest dead {}", std::process::id());
        Publisher::start(self.amqp.clone(), name, vec![stage.clone()], Health::default())
    }
}
