//! A worker process whose stage obeys its objects: `abort` aborts the process, `slow` delays, and
//! any other is written, as an object `<own_prefix>state/done/<image id>`.

use std::collections::HashSet;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use pipeline::batch::BatchSettings;
use pipeline::bucket::{Bucket, BucketSettings, Only};
use pipeline::connection::AmqpSettings;
use pipeline::consume::Subscription;
use pipeline::publish::Publisher;
use pipeline::settle::Settler;
use pipeline::stage::{Finished, Stage};
use pipeline::stage_name::StageName;
use pipeline::state::{StateError, StateStore};
use pipeline::switch::Switch;
use pipeline::topology::Topology;
use pipeline::worker::{self, FetchSettings, HALT_HOLD, WorkerParts};
use pipeline::{Failure, ImageId, ObjectRef};
use serde::Deserialize;
use service::health::Health;
use service::http::{self, HttpSettings};
use service::process::{self, ProcessSettings};
use service::settings::{self, SettingsError};
use service::telemetry::LogSettings;
use tokio_util::sync::CancellationToken;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    bucket: BucketSettings,
    amqp: AmqpSettings,
    log: LogSettings,
    http: HttpSettings,
    fetch: FetchSettings,
    batch: BatchSettings,
}

impl settings::Settings for Settings {
    const DEFAULTS: &'static [&'static str] = &[
        pipeline::DEFAULTS,
        r#"
        [http]
        listen = "127.0.0.1:0"
        shutdown_timeout = "30s"
        [fetch]
        concurrency = 4
        decoders = 2
        max_object_bytes = 1000
        decode_timeout = "60s"
        [batch]
        max_rows = 8
        max_bytes = 1000000
        max_wait = "200ms"
    "#,
    ];

    fn process(&self) -> ProcessSettings {
        ProcessSettings { log: self.log.clone(), http: self.http.clone() }
    }

    fn validate(&self) -> Result<(), SettingsError> {
        self.amqp.validate()
    }
}

struct Obedient(StateStore);

fn away(error: StateError) -> Failure {
    Failure::halt("store_unavailable", error)
}

impl Stage for Obedient {
    type Input = Bytes;
    type Output = ();

    async fn existing(&self, ids: &[ImageId]) -> Result<HashSet<ImageId>, Failure> {
        let done: HashSet<_> = self.0.names("done/").await.map_err(away)?.into_iter().collect();
        Ok(ids.iter().filter(|id| done.contains(&format!("done/{id}"))).copied().collect())
    }

    fn decode(&self, _: &ObjectRef, bytes: Bytes) -> Result<Bytes, Failure> {
        if bytes.starts_with(b"slow") {
            std::thread::sleep(Duration::from_millis(300));
        }
        Ok(bytes)
    }

    fn infer(&self, batch: &[&Bytes]) -> Result<Vec<()>, Failure> {
        if batch.iter().any(|order| order.starts_with(b"abort")) {
            std::process::abort();
        }
        Ok(vec![(); batch.len()])
    }

    async fn write(&self, rows: &[Finished<Bytes, ()>]) -> Result<(), Failure> {
        for row in rows {
            let name = format!("done/{}", row.object.image_id());
            self.0.write(&name, Bytes::new(), Only::Always).await.map_err(away)?;
        }
        Ok(())
    }
}

async fn run(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let health = Health::default();
    health.require(&["publisher", "consumer"]);
    let listener = http::bind(&settings.http).await?;
    let finished = CancellationToken::new();
    let http =
        tokio::spawn(http::serve(listener, axum::Router::new(), health.clone(), finished.clone()));
    let bucket = Bucket::connect(&settings.bucket).await;
    let state = StateStore::new(bucket.clone(), &settings.bucket);
    let (stage, name, topology) = (
        StageName::embed("demo-clip"),
        "testworker".to_owned(),
        Topology::new(&settings.amqp.namespace),
    );
    let publisher =
        Publisher::start(settings.amqp.clone(), name.clone(), vec![stage.clone()], health.clone());
    let settler = Settler::new(publisher, topology, stage.clone(), name.clone(), "none".to_owned());
    let parts = WorkerParts {
        bucket,
        subscription: Subscription { amqp: settings.amqp, name, stage: stage.clone() },
        settler,
        switch: Switch::start(state.clone(), stage),
        stage: Obedient(state),
        batch: settings.batch,
        decoders: settings.fetch.turns(),
        fetch: settings.fetch,
        halt_hold: HALT_HOLD,
        health,
        shutdown,
    };
    let worked = worker::run(parts).await;
    finished.cancel();
    http.await??;
    worked
}

fn main() -> ExitCode {
    process::main(None, run)
}
