//! The environment of one test: its own store, bucket, queue names and programs.

mod captions;
mod queues;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use pipeline::bucket::{Bucket, BucketSettings};
use pipeline::connection::AmqpSettings;
use pipeline::stage_name::StageName;
use pipeline::state::StateStore;
use pipeline::topology::{RETRY_LADDER, Topology};
use serde_json::{Value, json};
use table::location::Access;

pub use self::queues::DeadMessage;

use crate::process::{self, Process};
use crate::store::{ACCESS_KEY, BUCKET, SECRET_KEY, Store};
use crate::store_proxy::StoreProxy;
use crate::supervisor::{ProgramSpec, Supervisor};
use crate::wait::eventually;
use crate::wire_proxy::WireProxy;

/// A store, queue names and programs that belong to one test.
pub struct World {
    store: Store,
    // The address of the broker, and the address that the programs get.
    amqp_url: String,
    amqp_for_programs: String,
    proxies: Option<(StoreProxy, WireProxy)>,
    namespace: String,
    http: reqwest::Client,
    started: usize,
}

/// For a world whose programs reach store and broker through proxies. The test itself connects
/// directly.
#[derive(Debug, Clone, Default)]
pub struct ProxyOptions {
    /// A broker for this test alone; `None` for the shared one.
    pub broker_url: Option<String>,
    /// Heartbeat that the programs request; `None` leaves it to the broker.
    pub heartbeat_seconds: Option<u16>,
    /// Seed of the store proxy's random choices.
    pub seed: u64,
}

/// Label, program and changed settings of a program that is restarted whenever it ends.
pub type Supervised<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

/// One hit of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundPicture {
    /// Object key.
    pub key: String,
    /// Identity.
    pub image_id: String,
    /// Cosine similarity.
    pub score: f64,
}

fn shared_broker() -> String {
    let url = std::env::var("BUCKETLENS_TEST_AMQP_URL");
    url.expect("BUCKETLENS_TEST_AMQP_URL must name a broker: `just test` starts one and sets it")
}

impl World {
    /// A world on the shared test broker.
    pub async fn start() -> Self {
        Self::on_broker(&shared_broker()).await
    }

    /// A world whose programs reach store and broker through proxies.
    pub async fn start_with(through: ProxyOptions) -> Self {
        let mut world = Self::on_broker(&through.broker_url.unwrap_or_else(shared_broker)).await;
        let mut url = reqwest::Url::parse(&world.amqp_url).expect("a broker's address");
        let host = format!("{}:{}", url.host_str().expect("a host"), url.port().unwrap_or(5672));
        let (store, wire) = (
            StoreProxy::start(&world.store.endpoint(), through.seed).await,
            WireProxy::start(host).await,
        );
        url.set_host(Some("127.0.0.1")).expect("a host");
        url.set_port(Some(wire.address().port())).expect("a port");
        if let Some(seconds) = through.heartbeat_seconds {
            url.set_query(Some(&format!("heartbeat={seconds}")));
        }
        world.amqp_for_programs = url.into();
        world.proxies = Some((store, wire));
        world
    }

    /// The proxy between programs and store.
    pub fn store_proxy(&self) -> &StoreProxy {
        &self.proxies.as_ref().expect("only World::start_with has proxies").0
    }

    /// The proxy between programs and broker.
    pub fn wire(&self) -> &WireProxy {
        &self.proxies.as_ref().expect("only World::start_with has proxies").1
    }

    // The address of the store that the programs get.
    fn endpoint(&self) -> String {
        self.proxies.as_ref().map_or_else(|| self.store.endpoint(), |(proxy, _)| proxy.endpoint())
    }

    /// A world on the broker at this address.
    pub async fn on_broker(amqp_url: &str) -> Self {
        assert!(
            std::env::var_os("ORT_DYLIB_PATH").is_some(),
            "ORT_DYLIB_PATH must name libonnxruntime.so: `just test` sets it"
        );
        Self {
            store: Store::start().await,
            amqp_url: amqp_url.to_owned(),
            amqp_for_programs: amqp_url.to_owned(),
            proxies: None,
            namespace: format!("test.{}", uuid::Uuid::new_v4().simple()),
            http: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .expect("HTTP client"),
            started: 0,
        }
    }

    /// The variables that every program of this world gets.
    pub fn variables(&self) -> Vec<(String, String)> {
        let endpoint = self.endpoint();
        [
            ("BUCKET__NAME", BUCKET),
            ("BUCKET__ENDPOINT", endpoint.as_str()),
            ("BUCKET__ACCESS_KEY_ID", ACCESS_KEY),
            ("BUCKET__SECRET_ACCESS_KEY", SECRET_KEY),
            ("AMQP__URL", &self.amqp_for_programs),
            ("AMQP__NAMESPACE", &self.namespace),
            ("LOG__FORMAT", "json"),
            ("HTTP__LISTEN", "127.0.0.1:0"),
        ]
        .map(|(name, value)| (format!("BUCKETLENS__{name}"), value.to_owned()))
        .to_vec()
    }

    /// Settings of this world's queues, for code inside the test.
    pub fn amqp(&self) -> AmqpSettings {
        let settings = json!({
            "url": self.amqp_for_programs,
            "namespace": self.namespace,
            "topology": "declare",
            "prefetch": 64,
        });
        serde_json::from_value(settings).expect("settings")
    }

    /// Names of this world's queues.
    pub fn topology(&self) -> Topology {
        Topology::new(&self.namespace)
    }

    /// This world's state objects.
    pub async fn state(&self) -> StateStore {
        StateStore::new(self.open_bucket().await, &self.bucket_settings())
    }

    /// This world's bucket, for code inside the test.
    pub async fn open_bucket(&self) -> Bucket {
        Bucket::connect(&self.bucket_settings()).await
    }

    fn bucket_settings(&self) -> BucketSettings {
        let settings = json!({
            "name": BUCKET, "endpoint": self.endpoint(), "public_endpoint": "",
            "region": "us-east-1", "access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY,
            "path_style": true, "own_prefix": ".bucketlens/", "timeout": "30s"
        });
        serde_json::from_value(settings).expect("settings")
    }

    /// Starts a program with changed settings (`("WATCH__POLL_INTERVAL", "200ms")`).
    pub fn run(&mut self, program: &str, changed: &[(&str, &str)]) -> Process {
        self.started += 1;
        let label = format!("{program}-{}", self.started);
        Process::start(program, &label, self.store.folder(), None, &self.changed(changed))
    }

    /// Starts a program with a settings file; variables win over it.
    pub fn run_with(&mut self, program: &str, file: &Path, changed: &[(&str, &str)]) -> Process {
        self.started += 1;
        let label = format!("{program}-{}", self.started);
        Process::start(program, &label, self.store.folder(), Some(file), &self.changed(changed))
    }

    /// Runs a program with these arguments to its end.
    pub async fn command(
        &self,
        program: &str,
        arguments: &[&str],
        changed: &[(&str, &str)],
    ) -> Output {
        let mut command = Command::new(process::program(program));
        command.args(arguments).envs(self.changed(changed)).stdin(Stdio::null());
        // On another thread, because this one may have to serve the program's requests.
        tokio::task::spawn_blocking(move || command.output())
            .await
            .expect("it ends")
            .expect("the command runs")
    }

    fn changed(&self, changed: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut variables = self.variables();
        variables.extend(
            changed.iter().map(|(name, value)| (format!("BUCKETLENS__{name}"), value.to_string())),
        );
        variables
    }

    /// Starts programs and restarts each whenever it ends.
    pub fn supervise(&self, programs: &[Supervised<'_>]) -> Supervisor {
        let spec = |(label, program, changed): &Supervised<'_>| ProgramSpec {
            program: (*program).to_owned(),
            label: (*label).to_owned(),
            folder: self.store.folder().to_owned(),
            variables: self.changed(changed),
        };
        Supervisor::start(programs.iter().map(spec).collect())
    }

    /// Starts ingest, watching often and listening to events with the secret `knock`.
    pub fn run_ingest(&mut self) -> Process {
        self.run("ingest", &[("WATCH__POLL_INTERVAL", "300ms"), ("EVENTS__SECRET", "knock")])
    }

    /// Puts an object and returns its ETag without quotes.
    pub async fn put(&self, key: &str, body: impl Into<Vec<u8>>) -> String {
        let put = self.store.client().put_object().bucket(BUCKET).key(key).body(body.into().into());
        put.send()
            .await
            .expect("the object is stored")
            .e_tag()
            .expect("an ETag")
            .trim_matches('"')
            .to_owned()
    }

    /// Removes an object.
    pub async fn remove(&self, key: &str) {
        self.store
            .client()
            .delete_object()
            .bucket(BUCKET)
            .key(key)
            .send()
            .await
            .expect("the object is removed");
    }

    /// Name of the bucket.
    pub fn bucket(&self) -> &'static str {
        BUCKET
    }

    /// The location of the tables, for a test that writes rows itself.
    pub fn tables(&self) -> table::location::Location {
        self.store.tables()
    }

    /// The image ids of all rows of a table, including spare ones.
    pub async fn rows(&self, table: &str) -> Vec<String> {
        use futures::TryStreamExt;
        let database = self.store.tables().connect(Access::writer()).await.expect("tables open");
        let Some(ledger) =
            table::ledger::Ledger::open(&database, table).await.expect("table opens")
        else {
            return Vec::new();
        };
        let ids: Vec<Vec<String>> =
            ledger.all_ids().await.expect("ids").try_collect().await.expect("ids");
        ids.concat()
    }

    /// Searches by words.
    pub async fn search(&self, base: &str, words: &str, top_k: usize) -> Vec<FoundPicture> {
        let url = format!("{base}/v1/search");
        let (status, body) = self.get(&url, &[("q", words), ("top_k", &top_k.to_string())]).await;
        assert_eq!(status, 200, "{body}");
        hits(&body)
    }

    /// Posts JSON.
    pub async fn post(&self, url: &str, body: Value) -> (u16, Value) {
        read(self.http.post(url).json(&body).send().await.expect("an answer")).await
    }

    /// Gets JSON.
    pub async fn get(&self, url: &str, query: &[(&str, &str)]) -> (u16, Value) {
        let url = reqwest::Url::parse_with_params(url, query).expect("a URL");
        read(self.http.get(url).send().await.expect("an answer")).await
    }

    /// The HTTP client of this world; it follows no redirects.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Sends an S3 notification to the webhook of ingest.
    pub async fn notify(&self, ingest: &str, event: &str, key: &str) -> (u16, Value) {
        let record = json!({
            "eventVersion": "2.1", "eventSource": "minio:s3", "eventName": event,
            "eventTime": "2026-01-01T00:00:00Z",
            "s3": {
                "bucket": { "name": BUCKET },
                "object": { "key": key, "size": 1, "eTag": "hint", "sequencer": "0A" }
            }
        });
        let post = self
            .http
            .post(format!("{ingest}/events"))
            .bearer_auth("knock")
            .json(&json!({ "Records": [record] }));
        read(post.send().await.expect("an answer")).await
    }

    /// Waits until the searcher sees at least `count` rows.
    pub async fn indexed(&self, searcher: &str, count: usize) {
        eventually(&format!("{count} pictures are indexed"), Duration::from_secs(120), || async {
            let (_, status) = self.get(&format!("{searcher}/v1/status"), &[]).await;
            (status["tables"]["embeddings_demo-clip"]["rows"].as_u64()? >= count as u64)
                .then_some(())
        })
        .await;
    }

    /// Deletes this world's queues. All programs must have ended.
    pub async fn finish(self) {
        let connection = self.broker().await;
        let topology = Topology::new(&self.namespace);
        let channel = connection.create_channel().await.expect("channel");
        let mut queues = vec![topology.events()];
        let captioner = StageName::caption("demo-captioner");
        for stage in ["demo-clip", "second"].map(StageName::embed).into_iter().chain([captioner]) {
            queues.extend([
                topology.work_queue(&stage),
                topology.bulk_queue(&stage),
                topology.suspect_queue(&stage),
            ]);
            queues.push(topology.dead_queue(&stage));
            queues.extend((0..RETRY_LADDER.len()).map(|rung| topology.retry_queue(&stage, rung)));
        }
        for queue in queues {
            let _ =
                channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await;
        }
        for exchange in [topology.work_exchange(), topology.dead_exchange(), topology.events()] {
            let _ = channel
                .exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default())
                .await;
        }
    }
}

async fn read(answer: reqwest::Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// The hits of an answer.
pub(crate) fn hits(body: &Value) -> Vec<FoundPicture> {
    let hits = body["hits"].as_array().unwrap_or_else(|| panic!("no hits in {body}"));
    let text = |hit: &Value, name: &str| {
        hit[name].as_str().unwrap_or_else(|| panic!("no {name} in {hit}")).to_owned()
    };
    hits.iter()
        .map(|hit| FoundPicture {
            key: text(hit, "key"),
            image_id: text(hit, "image_id"),
            score: hit["score"].as_f64().expect("a score"),
        })
        .collect()
}
