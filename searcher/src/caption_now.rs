//! `POST /v1/images/{id}/caption`: a caption for one picture now, before those of a backfill.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use pipeline::ObjectRef;
use pipeline::connection::AmqpSettings;
use pipeline::job::{Job, Origin, Redo};
use pipeline::publish::{Outgoing, Publisher};
use pipeline::stage_name::StageName;
use pipeline::topology::Topology;
use serde::{Deserialize, Serialize};
use service::health::Health;
use utoipa::{IntoParams, ToSchema};

use crate::api::{App, query_string_problem};
use crate::pictures::{Id, IdInPath, known};
use crate::problem::{Problem, ProblemBody};

// The publisher itself waits for a broker that is away for as long as it takes.
const PATIENCE: Duration = Duration::from_secs(5);

/// What publishes jobs for the captioner whose captions are searched.
pub(crate) struct Desk {
    stage: StageName,
    amqp: AmqpSettings,
    // Connects when somebody asks for the first time: a searcher needs no broker.
    publisher: OnceLock<Publisher>,
}

/// `?redo=true`: although it has one.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    /// Also for a picture that has a caption.
    #[serde(default)]
    #[param(required = false, default = false)]
    redo: bool,
}

/// A caption that was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Asked {
    image_id: String,
    /// Who will say it.
    stage: String,
    /// Where it will stand.
    look_at: String,
}

impl Desk {
    /// `None` for no captioner.
    pub(crate) fn new(captioner: &str, amqp: AmqpSettings) -> Option<Self> {
        let stage = StageName::caption(captioner);
        (!captioner.is_empty()).then(|| Self { stage, amqp, publisher: OnceLock::new() })
    }

    async fn publish(&self, job: &Job) -> Result<(), Problem> {
        let failed = |error: &dyn std::fmt::Display| {
            Problem::unavailable("the broker does not take the job", error)
        };
        let start = || {
            // Its troubles are of nobody's concern who only searches.
            let name = format!("searcher {}", std::process::id());
            Publisher::start(self.amqp.clone(), name, vec![self.stage.clone()], Health::default())
        };
        let message = Outgoing::job(&Topology::new(&self.amqp.namespace), job);
        match tokio::time::timeout(PATIENCE, self.publisher.get_or_init(start).publish(message))
            .await
        {
            Ok(published) => published.map_err(|error| failed(&error)),
            Err(_) => {
                Err(failed(&format!("it did not answer within {PATIENCE:?}; try again later")))
            }
        }
    }
}

/// Asks for a caption of one picture now, before those of a backfill.
///
/// Answered once the broker has the job. What comes of it stands in `/v1/images/{id}` some seconds
/// later; a picture that has a caption keeps it, unless it is to be said again.
#[utoipa::path(post, path = "/v1/images/{id}/caption", tag = "pictures", params(IdInPath, Ask), responses(
    (status = 202, body = Asked, description = "it is on its way"),
    (status = 400, body = ProblemBody, description = "the id or a parameter is wrong"),
    (status = 404, body = ProblemBody, description = "no such picture is indexed"),
    (status = 409, body = ProblemBody, description = "no captioner is set"),
))]
pub(crate) async fn caption(
    State(app): State<Arc<App>>,
    Id(id): Id,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<(StatusCode, Json<Asked>), Problem> {
    let Query(Ask { redo }) = ask.map_err(|rejection| query_string_problem(&rejection))?;
    let none = "no captioner is set: name one in captions.active of the searcher";
    let desk = app.captioning.as_ref().ok_or_else(|| Problem::new(StatusCode::CONFLICT, none))?;
    let facts = known(&app, &id).await?;
    let object = ObjectRef {
        bucket: facts.bucket,
        key: facts.key,
        etag: facts.etag,
        size_bytes: Some(facts.size_bytes),
        last_modified: facts.last_modified,
    };
    let job = Job::new(desk.stage.clone(), object, Origin::Api);
    let job = if redo { job.again(Redo::Since(jiff::Timestamp::now())) } else { job };
    desk.publish(&job).await?;
    let (stage, look_at) = (desk.stage.as_str().to_owned(), format!("/v1/images/{id}"));
    Ok((StatusCode::ACCEPTED, Json(Asked { image_id: id, stage, look_at })))
}
