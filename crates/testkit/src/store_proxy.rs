//! A store with faults: an HTTP proxy in front of the real one, whose faults can be switched at any
//! time.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::proxy_listener::ProxyListener;

/// The fault of a request that matches a [`Rule`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The proxy answers with this status; the store never sees the request.
    Status(u16),
    /// The request is passed on after this time.
    Slow(Duration),
    /// The store answers, but only the first half of the body arrives before the connection breaks.
    HalfBody,
    /// The store does the request, but the connection breaks before the answer, so the client
    /// cannot know.
    LostAnswer,
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::Slow(_) => "slow",
            Self::HalfBody => "half body",
            Self::LostAnswer => "lost answer",
        }
    }
}

/// Selects the requests that meet a fault.
#[derive(Debug, Clone)]
pub struct Rule {
    method: Option<Method>,
    key: String,
    share: f64,
    fault: Fault,
}

impl Rule {
    /// `share` (0 to 1) of all requests.
    pub fn any(share: f64, fault: Fault) -> Self {
        Self { method: None, key: String::new(), share, fault }
    }

    /// Only requests with this method.
    pub fn method(self, method: &str) -> Self {
        Self { method: Some(method.parse().expect("a method")), ..self }
    }

    /// Only requests whose encoded path contains this.
    pub fn key(self, part: &str) -> Self {
        Self { key: part.to_owned(), ..self }
    }
}

type ProxyBody = UnsyncBoxBody<Bytes, io::Error>;

struct ProxyState {
    upstream: String,
    client: Client<HttpConnector, Full<Bytes>>,
    rules: Mutex<Vec<Rule>>,
    dice: Mutex<StdRng>,
    counts: Mutex<BTreeMap<&'static str, usize>>,
    // Method and part of the path of the requests to count, and their number so far.
    counted: Mutex<Option<(Method, String, usize)>>,
}

/// An HTTP/1.1 proxy in front of a store. Requests pass unchanged, including `Host`, which the
/// signature covers.
pub struct StoreProxy {
    listener: ProxyListener,
    shared: Arc<ProxyState>,
}

impl StoreProxy {
    /// Starts it in front of `upstream` (`http://host:port`), without faults. The seed makes the
    /// random choice of requests repeatable.
    pub async fn start(upstream: &str, seed: u64) -> Self {
        let shared = Arc::new(ProxyState {
            upstream: upstream.to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            rules: Mutex::default(),
            dice: Mutex::new(StdRng::seed_from_u64(seed)),
            counts: Mutex::default(),
            counted: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        let listener = ProxyListener::start(move |stream| {
            let shared = Arc::clone(&serving);
            async move {
                let service = service_fn(move |request| {
                    let shared = Arc::clone(&shared);
                    async move { shared.answer(request).await }
                });
                // Ends with an error whenever a fault breaks the connection.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            }
        });
        Self { listener: listener.await, shared }
    }

    /// Address for clients.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.listener.address())
    }

    /// Replaces the rules; the first that matches a request decides. Without rules there are no
    /// faults.
    pub fn set(&self, rules: &[Rule]) {
        *lock(&self.shared.rules) = rules.to_vec();
    }

    /// Refuses connections until [`Self::accept`].
    pub async fn refuse(&self) {
        self.listener.shut().await;
    }

    /// Accepts connections again.
    pub async fn accept(&self) {
        self.listener.open().await;
    }

    /// From now on counts the requests with this method whose encoded path contains `part`.
    pub fn count(&self, method: &str, part: &str) {
        *lock(&self.shared.counted) = Some((method.parse().expect("a method"), part.to_owned(), 0));
    }

    /// The number of requests since [`Self::count`].
    pub fn counted(&self) -> usize {
        lock(&self.shared.counted).as_ref().map_or(0, |(_, _, count)| *count)
    }

    /// Number of requests that met each kind of fault.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        lock(&self.shared.counts).clone()
    }
}

impl ProxyState {
    // An error breaks the connection without an answer.
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<ProxyBody>, io::Error> {
        if let Some((method, part, count)) = &mut *lock(&self.counted)
            && request.method() == *method
            && request.uri().path().contains(part.as_str())
        {
            *count += 1;
        }
        let fault = self.fault(request.method(), request.uri().path());
        match fault {
            Some(Fault::Status(status)) => {
                let body = request.into_body().collect().await.map(drop);
                body.map_err(io::Error::other)?;
                return Response::builder()
                    .status(status)
                    .body(whole(Bytes::new()))
                    .map_err(io::Error::other);
            }
            Some(Fault::Slow(pause)) => tokio::time::sleep(pause).await,
            _ => {}
        }
        let answer = self.pass_on(request).await?;
        match fault {
            Some(Fault::LostAnswer) => Err(io::Error::other("the answer is lost on purpose")),
            Some(Fault::HalfBody) => Ok(answer.map(half)),
            _ => Ok(answer.map(whole)),
        }
    }

    fn fault(&self, method: &Method, path: &str) -> Option<Fault> {
        let picked = lock(&self.rules).iter().find_map(|rule| {
            let meant =
                rule.method.as_ref().is_none_or(|only| only == method) && path.contains(&rule.key);
            (meant && lock(&self.dice).random_bool(rule.share)).then_some(rule.fault)
        })?;
        *lock(&self.counts).entry(picked.name()).or_default() += 1;
        Some(picked)
    }

    async fn pass_on(&self, request: Request<Incoming>) -> Result<Response<Bytes>, io::Error> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = format!("{}{path}", self.upstream).parse::<Uri>().map_err(io::Error::other)?;
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let answer = self
            .client
            .request(Request::from_parts(parts, Full::new(body)))
            .await
            .map_err(io::Error::other)?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }
}

fn whole(bytes: Bytes) -> ProxyBody {
    Full::new(bytes).map_err(|never: Infallible| match never {}).boxed_unsync()
}

fn half(bytes: Bytes) -> ProxyBody {
    let first = bytes.slice(..bytes.len() / 2);
    let broken = async {
        // The first half must have left before the connection breaks.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(io::Error::other("the body is cut on purpose"))
    };
    let frames = stream::iter([Ok(Frame::data(first))]).chain(stream::once(broken));
    BodyExt::boxed_unsync(StreamBody::new(frames))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
