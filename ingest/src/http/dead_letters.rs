//! `/v1/ops/dead`: the dead letters over HTTP. The same answers as `ingest dead … --json`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use pipeline::bucket::Bucket;
use pipeline::connection::AmqpSettings;
use pipeline::dead::{self, Pace, Selection};
use pipeline::publish::Publisher;
use pipeline::stage_name::StageName;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service::http::problem::{Problem, read_json};

use crate::control;
use crate::dead::{Gathered, valid_rate, wrong_rate};
use crate::operations::{End, Operations, Reporter};

const MAX_BODY_BYTES: usize = 64 << 10;
const LISTED: usize = 100;
const MOST_LISTED: usize = 1000;
const MOST_IDS: usize = 1000;
const SHORTEST_ID: usize = 8;
const LINK_LIFETIME: Duration = Duration::from_secs(600);

/// What the dead letters are read from and put back with.
#[derive(Clone)]
pub(crate) struct Desk {
    amqp: AmqpSettings,
    stages: Vec<StageName>,
    bucket: Bucket,
    publisher: Publisher,
    operations: Operations,
}

impl Desk {
    pub(crate) fn new(
        amqp: AmqpSettings,
        stages: Vec<StageName>,
        bucket: Bucket,
        publisher: Publisher,
        operations: Operations,
    ) -> Self {
        Self { amqp, stages, bucket, publisher, operations }
    }

    async fn look(&self, selection: &Selection) -> Result<Gathered, Problem> {
        Ok(Gathered::look(&self.amqp, &self.stages, selection).await?)
    }
}

/// Which letters, and what is done with them. Query strings and JSON have the same names.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Ask {
    stage: Option<String>,
    class: Option<String>,
    key: Option<String>,
    since: Option<String>,
    group: Option<String>,
    ids: Vec<String>,
    limit: Option<usize>,
    all: bool,
    rate: Option<f64>,
    dry_run: bool,
}

impl Ask {
    fn from_query(query: HashMap<String, String>) -> Result<Self, Problem> {
        let mut ask = Self::default();
        for (name, value) in query {
            match name.as_str() {
                "stage" => ask.stage = Some(value),
                "class" => ask.class = Some(value),
                "key" => ask.key = Some(value),
                "since" => ask.since = Some(value),
                "group" => ask.group = Some(value),
                "limit" => {
                    ask.limit = Some(value.parse().map_err(|error| Problem::field("limit", error))?)
                }
                _ => return Err(Problem::field(name, "is not a field of this request")),
            }
        }
        Ok(ask)
    }

    fn from_json(bytes: &[u8]) -> Result<Self, Problem> {
        read_json(bytes, "")
    }

    fn selection(&self, stages: &[StageName]) -> Result<Selection, Problem> {
        if self.ids.len() > MOST_IDS {
            return Err(Problem::field("ids", format!("must have at most {MOST_IDS} entries")));
        }
        if self.ids.iter().any(|id| id.len() < SHORTEST_ID) {
            return Err(Problem::field(
                "ids",
                format!("must be message ids, or the first {SHORTEST_ID} digits of them or more"),
            ));
        }
        let stage = self
            .stage
            .as_deref()
            .map(|name| control::stage(stages, name))
            .transpose()
            .map_err(|error| Problem::field("stage", error))?;
        let key = self
            .key
            .as_deref()
            .map(dead::key_glob)
            .transpose()
            .map_err(|error| Problem::field("key", error))?;
        let since =
            self.since.as_deref().map(|text| dead::since(text, Timestamp::now())).transpose();
        let since = since.map_err(|error| Problem::field("since", error))?;
        let (class, group, ids) = (self.class.clone(), self.group.clone(), self.ids.clone());
        Ok(Selection { stage, class, key, since, group, ids, limit: self.limit })
    }

    /// What is moved must be said, even if it is everything.
    fn meant(&self) -> Result<(), Problem> {
        let given = [&self.stage, &self.class, &self.key, &self.since, &self.group]
            .iter()
            .any(|field| field.is_some());
        if !given && self.ids.is_empty() && !self.all {
            return Err(Problem::field(
                "all",
                "say which letters are meant, or that all are: \"all\": true",
            ));
        }
        match self.rate {
            Some(rate) if !valid_rate(rate) => Err(Problem::field("rate", wrong_rate())),
            _ => Ok(()),
        }
    }
}

/// The routes.
pub(crate) fn router(desk: Desk) -> Router {
    Router::new()
        .route("/v1/ops/dead", get(list))
        .route("/v1/ops/dead/groups", get(groups))
        .route("/v1/ops/dead/replay", post(replay))
        .route("/v1/ops/dead/drop", post(discard))
        .route("/v1/ops/dead/{id}", get(show))
        .route("/v1/ops/dead/{id}/link", get(link))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(Arc::new(desk))
}

type Parameters = Query<HashMap<String, String>>;

async fn groups(
    State(desk): State<Arc<Desk>>,
    Query(query): Parameters,
) -> Result<Response, Problem> {
    let selection = Ask::from_query(query)?.selection(&desk.stages)?;
    Ok(Json(desk.look(&selection).await?.groups()).into_response())
}

async fn list(
    State(desk): State<Arc<Desk>>,
    Query(query): Parameters,
) -> Result<Response, Problem> {
    let mut ask = Ask::from_query(query)?;
    let limit = *ask.limit.get_or_insert(LISTED);
    if limit > MOST_LISTED {
        return Err(Problem::field("limit", format!("must be at most {MOST_LISTED}")));
    }
    Ok(Json(desk.look(&ask.selection(&desk.stages)?).await?.letters()).into_response())
}

async fn show(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let selection = Ask { ids: vec![id.clone()], ..Ask::default() }.selection(&desk.stages)?;
    let gathered = desk.look(&selection).await?;
    if gathered.selected.is_empty() {
        let id: String = id.chars().take(64).collect();
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            format!("no dead letter has the id '{id}', or one that begins so"),
        ));
    }
    let found = gathered
        .with_presence(&desk.bucket)
        .await
        .map_err(|error| Problem::unavailable("the bucket cannot be asked", error))?;
    Ok(Json(json!({ "letters": found })).into_response())
}

/// A link to the object as it is now.
async fn link(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let selection = Ask { ids: vec![id], ..Ask::default() }.selection(&desk.stages)?;
    let gone = || {
        Problem::new(
            StatusCode::NOT_FOUND,
            "no dead letter with this id has an object that is still there",
        )
    };
    let letter = desk.look(&selection).await?.selected.into_iter().next().ok_or_else(gone)?;
    let key = letter.object.ok_or_else(gone)?.key;
    let away =
        |error: &dyn std::fmt::Display| Problem::unavailable("the bucket cannot be asked", error);
    desk.bucket.head(&key).await.map_err(|error| away(&error))?.ok_or_else(gone)?;
    let url = desk
        .bucket
        .presigned_get(&key, LINK_LIFETIME, false)
        .await
        .map_err(|error| away(&error))?;
    Ok(Json(json!({ "url": url })).into_response())
}

async fn replay(State(desk): State<Arc<Desk>>, body: Bytes) -> Result<Response, Problem> {
    shift(desk, &body, true).await
}

async fn discard(State(desk): State<Arc<Desk>>, body: Bytes) -> Result<Response, Problem> {
    shift(desk, &body, false).await
}

async fn shift(desk: Arc<Desk>, body: &[u8], replays: bool) -> Result<Response, Problem> {
    let ask = Ask::from_json(body)?;
    ask.meant()?;
    let selection = ask.selection(&desk.stages)?;
    if ask.dry_run {
        let gathered = desk.look(&selection).await?;
        let trial = gathered.trial(&desk.bucket).await;
        return Ok(Json(
            trial.map_err(|error| Problem::unavailable("the bucket cannot be asked", error))?,
        )
        .into_response());
    }
    let mut all = desk.stages.clone();
    let stage = match (&selection.stage, all.pop(), all.pop()) {
        (Some(stage), ..) => stage.clone(),
        (None, Some(only), None) => only,
        _ => return Err(Problem::field("stage", "is needed: one operation works on one stage")),
    };
    let (kind, subject) =
        (if replays { "dead.replay" } else { "dead.drop" }, format!("dead/{stage}"));
    let (rate, at) = (ask.rate, Arc::clone(&desk));
    let started = desk
        .operations
        .start(kind, subject, move |reporter| walk(at, stage, selection, rate, replays, reporter));
    match started {
        Ok(operation) => Ok((StatusCode::ACCEPTED, Json(operation)).into_response()),
        Err(running) => Err(Problem::new(
            StatusCode::CONFLICT,
            format!(
                "operation {} moves dead letters of this stage: wait for its end or cancel it",
                running.id
            ),
        )),
    }
}

async fn walk(
    desk: Arc<Desk>,
    stage: StageName,
    selection: Selection,
    rate: Option<f64>,
    replays: bool,
    reporter: Reporter,
) -> anyhow::Result<End> {
    let pace = Pace { rate, ..Pace::full(reporter.cancel.clone()) };
    let mut seen = pace.progress.subscribe();
    let teller = reporter.clone();
    let telling = tokio::spawn(async move {
        while seen.changed().await.is_ok() {
            teller.progress(as_json(&*seen.borrow_and_update()));
        }
    });
    let walked = match replays {
        true => dead::replay(&desk.amqp, &stage, &desk.publisher, &selection, &pace).await,
        false => dead::discard(&desk.amqp, &stage, &selection, &pace).await,
    };
    drop(pace);
    let _ = telling.await;
    let walked = walked?;
    Ok(if walked.cancelled {
        End::Cancelled(as_json(&walked))
    } else {
        End::Done(as_json(&walked))
    })
}

fn as_json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(json: &str) -> String {
        let problem = Ask::from_json(json.as_bytes()).and_then(|ask| {
            ask.meant()?;
            ask.selection(&[StageName::embed("demo-clip")]).map(|_| ())
        });
        format!("{:?}", problem.expect_err(json))
    }

    #[test]
    fn whatever_is_wrong_names_its_field() {
        for (json, field) in [
            ("{}", "all"),
            (r#"{"limit":3}"#, "all"),
            (r#"{"stage":"caption"}"#, "stage"),
            (r#"{"key":"a["}"#, "key"),
            (r#"{"since":"soon"}"#, "since"),
            (r#"{"ids":["abc"]}"#, "ids"),
            (r#"{"all":true,"limit":-1}"#, "limit"),
            (r#"{"all":true,"rate":0}"#, "rate"),
            (r#"{"all":true,"rate":1e9}"#, "rate"),
            (r#"{"all":true,"dry_run":"yes"}"#, "dry_run"),
            (r#"{"classes":"x"}"#, "classes"),
            ("nonsense", "body"),
            (r#"{"all":true} more"#, "body"),
        ] {
            assert!(
                wrong(json).contains(&format!("field: Some({field:?})")),
                "{json}: {}",
                wrong(json)
            );
        }
        assert!(Ask::from_query([("rate".to_owned(), "1".to_owned())].into()).is_err());
    }
}
