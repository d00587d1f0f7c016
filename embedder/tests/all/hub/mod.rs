//! A model hub on this machine. It speaks the interface of real hubs, and fails on request.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path as Address, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::{StreamExt, stream};
use serde_json::json;
use sha1::Sha1;
use sha2::{Digest, Sha256};

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const VISION: &str = "onnx/vision_model.onnx";
pub(crate) const FILES: [&str; 3] = [VISION, "onnx/text_model.onnx", "tokenizer.json"];

/// The fault of one request for the image tower.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// 429, with a pause of zero seconds.
    Busy,
    /// 503.
    Fail,
    /// The connection breaks after this many bytes of the answer.
    CutAfter(usize),
    /// The whole file, although a range was asked for.
    WholeInstead,
    /// The right number of bytes, but wrong ones.
    Wrong,
    /// One byte too many.
    TooLong,
}

#[derive(Default)]
struct Inner {
    faults: VecDeque<Fault>,
    ranges: Vec<usize>,
    requests: usize,
    gated: bool,
    without: String,
    /// Path and content of further files.
    added: Vec<(String, Vec<u8>)>,
}

pub(crate) struct Hub {
    inner: Arc<Mutex<Inner>>,
    address: std::net::SocketAddr,
    runtime: tokio::runtime::Runtime,
}

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/inference/models/demo-clip")
}

/// The content of a file of the hub, which is a file of the built-in model.
pub(crate) fn content(path: &str) -> Vec<u8> {
    std::fs::read(demo().join(path)).unwrap()
}

/// A catalogue entry for these files.
pub(crate) fn entry() -> String {
    let manifest: toml::Table =
        toml::from_str(&std::fs::read_to_string(demo().join("model.toml")).unwrap()).unwrap();
    let mut entry = toml::Table::new();
    for (key, value) in [
        ("id", "scenes"),
        ("space", "scenes"),
        ("licence", "Apache-2.0"),
        ("notice", "shown to whoever asks"),
    ] {
        entry.insert(key.into(), value.into());
    }
    entry.insert("dim".into(), manifest["dim"].clone());
    entry.insert("source".into(), toml::toml! { repo = "someone/scenes" revision = "main" }.into());
    let file = |path: &str, role: &str| {
        let mut file: toml::Table = [("path", path), ("role", role)]
            .into_iter()
            .map(|(k, v)| (k.into(), v.into()))
            .collect();
        if role != "tokenizer" {
            file.insert("precision".into(), "fp32".into());
        }
        toml::Value::from(file)
    };
    let files =
        FILES.iter().zip(["image", "text", "tokenizer"]).map(|(path, role)| file(path, role));
    entry.insert("files".into(), files.collect::<Vec<_>>().into());
    for tower in ["image", "text"] {
        entry.insert(tower.into(), manifest[tower].clone());
    }
    toml::to_string(&entry).unwrap()
}

impl Hub {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let inner = Arc::<Mutex<Inner>>::default();
        let routes = Router::new()
            .route("/api/models/someone/scenes/revision/main", get(revision))
            .route("/api/models/someone/scenes/tree/{commit}", get(tree))
            .route("/someone/scenes/resolve/{commit}/{*path}", get(resolve))
            .with_state(Arc::clone(&inner));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, routes).await });
        Self { inner, address, runtime }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets the faults of the next requests for the image tower.
    pub(crate) fn plan(&self, faults: &[Fault]) {
        self.inner.lock().unwrap().faults.extend(faults);
    }

    pub(crate) fn forget_plan(&self) {
        self.inner.lock().unwrap().faults.clear();
    }

    pub(crate) fn gate(&self, gated: bool) {
        self.inner.lock().unwrap().gated = gated;
    }

    pub(crate) fn without(&self, path: &str) {
        self.inner.lock().unwrap().without = path.to_owned();
    }

    pub(crate) fn add(&self, path: &str, content: impl Into<Vec<u8>>) {
        let mut inner = self.inner.lock().unwrap();
        inner.added.retain(|(added, _)| added != path);
        inner.added.push((path.to_owned(), content.into()));
    }

    /// The first bytes that the requests for the image tower asked for.
    pub(crate) fn ranges(&self) -> Vec<usize> {
        self.inner.lock().unwrap().ranges.clone()
    }

    pub(crate) fn requests(&self) -> usize {
        self.inner.lock().unwrap().requests
    }

    pub(crate) fn stop(self) {
        self.runtime.shutdown_background();
    }
}

type HubState = State<Arc<Mutex<Inner>>>;

async fn revision(State(inner): HubState) -> Response {
    let mut inner = inner.lock().unwrap();
    inner.requests += 1;
    if inner.gated {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    axum::Json(json!({ "id": "someone/scenes", "sha": COMMIT })).into_response()
}

// A large file is known by its SHA-256, a small one by its name in git.
fn listed(path: &str, bytes: &[u8]) -> serde_json::Value {
    let size = bytes.len();
    if path.ends_with(".onnx") {
        let lfs = json!({
            "oid": hex::encode(Sha256::digest(bytes)),
            "size": size,
            "pointerSize": 130,
        });
        return json!({ "type": "file", "path": path, "size": 130, "oid": "pointer", "lfs": lfs });
    }
    let blob = Sha1::new().chain_update(format!("blob {size}\0")).chain_update(bytes);
    json!({ "type": "file", "path": path, "size": size, "oid": hex::encode(blob.finalize()) })
}

// The list comes in two pages.
async fn tree(State(inner): HubState, uri: axum::http::Uri) -> Response {
    let mut inner = inner.lock().unwrap();
    let listed = FILES
        .iter()
        .filter(|path| **path != inner.without)
        .map(|path| listed(path, &content(path)));
    let mut listed: Vec<_> = listed.collect();
    listed.push(json!({ "type": "directory", "path": "onnx", "size": 0, "oid": "tree" }));
    let second = listed.split_off(2);
    listed.extend(inner.added.iter().map(|(path, content)| self::listed(path, content)));
    if uri.query().is_some_and(|query| query.contains("cursor=2")) {
        return axum::Json(second).into_response();
    }
    inner.requests += 1;
    let next =
        format!("<http://elsewhere.example{}?recursive=true&cursor=2>; rel=\"next\"", uri.path());
    ([(header::LINK, next)], axum::Json(listed)).into_response()
}

async fn resolve(
    State(inner): HubState,
    Address((commit, path)): Address<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let mut inner = inner.lock().unwrap();
    inner.requests += 1;
    let added = inner.added.iter().find(|(added, _)| *added == path);
    let bytes = match added {
        _ if commit != COMMIT => return StatusCode::NOT_FOUND.into_response(),
        Some((_, content)) => content.clone(),
        None if FILES.contains(&path.as_str()) => content(&path),
        None => return StatusCode::NOT_FOUND.into_response(),
    };
    let from: usize = headers.get(header::RANGE).map_or(0, |range| {
        range.to_str().unwrap().trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap()
    });
    let fault = if path == VISION {
        inner.ranges.push(from);
        inner.faults.pop_front()
    } else {
        None
    };
    let status = if from > 0 { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    match fault {
        Some(Fault::Busy) => {
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "0")]).into_response()
        }
        Some(Fault::Fail) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Some(Fault::CutAfter(count)) => {
            let sent = Bytes::copy_from_slice(&bytes[from..from + count]);
            // The bytes must arrive before the connection breaks.
            let broken = async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                Err(std::io::Error::other("cut"))
            };
            let body = Body::from_stream(stream::iter([Ok(sent)]).chain(stream::once(broken)));
            (status, [(header::CONTENT_LENGTH, (bytes.len() - from).to_string())], body)
                .into_response()
        }
        Some(Fault::WholeInstead) => bytes.into_response(),
        Some(Fault::Wrong) => (status, vec![7_u8; bytes.len() - from]).into_response(),
        Some(Fault::TooLong) => [bytes, vec![0]].concat().into_response(),
        None => (status, bytes[from..].to_vec()).into_response(),
    }
}
