//! An endpoint that answers as told, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// One answer. The last one of a list is given again and again.
#[derive(Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    delay: Duration,
    stalls: bool,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            delay: Duration::ZERO,
            stalls: false,
        }
    }

    /// A chat completion in which the model says `text`.
    pub(crate) fn says(text: &str) -> Self {
        Self::finished(text, "stop")
    }

    pub(crate) fn finished(text: &str, reason: &str) -> Self {
        Self::completion(json!({"role": "assistant", "content": text}), reason)
    }

    /// A chat completion in which the model refuses, in the field for it.
    pub(crate) fn refuses(text: &str) -> Self {
        Self::completion(json!({"role": "assistant", "content": null, "refusal": text}), "stop")
    }

    fn completion(message: Value, reason: &str) -> Self {
        let choice = json!({"index": 0, "message": message, "finish_reason": reason});
        let completion = json!({"id": "1", "object": "chat.completion", "choices": [choice]});
        Self::new(200, completion.to_string())
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The head comes, the rest of the body never does.
    pub(crate) fn stalling(mut self) -> Self {
        self.stalls = true;
        self
    }
}

/// A request as it arrived.
pub(crate) struct Asked {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

struct Script {
    replies: VecDeque<Reply>,
    asked: Vec<Asked>,
    now: usize,
    most_at_once: usize,
}

pub(crate) struct Server {
    pub(crate) base_url: String,
    script: Arc<Mutex<Script>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(replies: impl Into<VecDeque<Reply>>) -> Server {
        let script = Script { replies: replies.into(), asked: Vec::new(), now: 0, most_at_once: 0 };
        let script = Arc::new(Mutex::new(script));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/v1/chat/completions", post(answer))
            .with_state(Arc::clone(&script));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Server { base_url, script, task }
    }

    /// What comes from now on.
    pub(crate) fn replies(&self, replies: impl Into<VecDeque<Reply>>) {
        self.script.lock().unwrap().replies = replies.into();
    }

    pub(crate) fn requests(&self) -> usize {
        self.script.lock().unwrap().asked.len()
    }

    pub(crate) fn most_at_once(&self) -> usize {
        self.script.lock().unwrap().most_at_once
    }

    /// The last request.
    pub(crate) fn last(&self) -> Asked {
        self.script.lock().unwrap().asked.pop().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    State(script): State<Arc<Mutex<Script>>>,
    headers: HeaderMap,
    body: String,
) -> Response<Body> {
    let reply = {
        let mut script = script.lock().unwrap();
        script.asked.push(Asked { headers, body: serde_json::from_str(&body).unwrap() });
        script.now += 1;
        script.most_at_once = script.most_at_once.max(script.now);
        let reply = if script.replies.len() > 1 {
            script.replies.pop_front()
        } else {
            script.replies.front().cloned()
        };
        reply.unwrap()
    };
    tokio::time::sleep(reply.delay).await;
    script.lock().unwrap().now -= 1;
    let mut response = Response::builder().status(StatusCode::from_u16(reply.status).unwrap());
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    if reply.stalls {
        response = response.header("content-length", reply.body.len() + 1);
        let body = futures::stream::once(async { Ok::<_, std::io::Error>(reply.body) });
        return response
            .body(Body::from_stream(futures::StreamExt::chain(body, futures::stream::pending())))
            .unwrap();
    }
    response.body(Body::from(reply.body)).unwrap()
}
