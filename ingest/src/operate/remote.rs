//! Asking the active ingest, which alone publishes from listings and deletes rows.

use std::time::Duration;

use anyhow::{Context, bail};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::lease::Holder;

const POLL: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_secs(30);

/// The operators' HTTP interface of the active ingest.
pub(super) struct Remote {
    client: reqwest::Client,
    address: String,
    key: SecretString,
}

impl Remote {
    pub(super) fn new(holder: &Holder, key: SecretString) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .build()
            .context("an HTTP client cannot be made")?;
        Ok(Self { client, address: holder.address.clone(), key })
    }

    /// Starts an operation and waits for its end. `progress` gets its progress now and then.
    /// Cancels the operation when `cancel` says so.
    pub(super) async fn run(
        &self,
        path: &str,
        body: &impl Serialize,
        cancel: &CancellationToken,
        progress: impl Fn(&Value),
    ) -> anyhow::Result<Value> {
        let started =
            self.send(self.client.post(format!("{}{path}", self.address)).json(body)).await?;
        let Some(id) = started["id"].as_str() else {
            bail!("the active ingest gave no operation id: {started}")
        };
        let operation = format!("{}/v1/ops/operations/{id}", self.address);
        let mut cancelled = false;
        loop {
            let state = self.send(self.client.get(&operation)).await?;
            match state["state"].as_str() {
                Some("running") => progress(&state["progress"]),
                Some("done") => return Ok(state["progress"].clone()),
                Some("cancelled") => {
                    bail!("the operation was cancelled; what it had done stays done")
                }
                _ => bail!("{}", state["error"].as_str().unwrap_or("the operation failed")),
            }
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = cancel.cancelled(), if !cancelled => {
                    cancelled = true;
                    self.send(self.client.delete(&operation)).await?;
                }
            }
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let key = self.key.expose_secret();
        let request = if key.is_empty() { request } else { request.bearer_auth(key) };
        let answer = request.send().await.with_context(|| {
            format!(
                "the active ingest at {} cannot be reached: run this where it can, or set its \
                 ops.address",
                self.address
            )
        })?;
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if !status.is_success() {
            let detail = value["detail"].as_str().unwrap_or("no reason given");
            bail!("the active ingest at {} refused ({status}): {detail}", self.address);
        }
        Ok(value)
    }
}
