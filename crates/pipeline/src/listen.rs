//! Listening to the store: `ListenBucketNotification`, an extension of MinIO that RustFS has too.
//!
//! One request with an endless answer, a line of JSON per change. The store keeps nothing for a
//! listener that is away or slow, so the caller must list the bucket after every (re)connection.
//! Events are only faster.

use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Builder, StalledStreamProtectionConfig};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::bucket::{Bucket, status};

// A store sends a ping at least this often, even if nothing happens.
const PING_SECONDS: u64 = 10;
// MinIO begins its answer with the first ping.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
// Some pings may be late; after this silence the connection counts as dead.
const SILENCE: Duration = Duration::from_secs(60);
const MAX_LINE_BYTES: usize = 1 << 20;
// As a signature wants them: everything else is escaped.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PLACEHOLDER: &str = "listen";

/// Why no events come.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The store has no such request or does not allow it; asking again soon changes nothing.
    #[error("the store does not let us listen to bucket '{bucket}' ({reason})")]
    Refused {
        /// Name of the bucket.
        bucket: String,
        /// What the store said.
        reason: String,
    },
    /// No connection, or it broke.
    #[error("listening to bucket '{bucket}': {reason}")]
    Broken {
        /// Name of the bucket.
        bucket: String,
        /// What happened.
        reason: String,
    },
}

/// An open stream of events.
#[derive(Debug)]
pub struct Listening {
    bucket: String,
    body: ByteStream,
    buffer: BytesMut,
    begun: bool,
}

impl Bucket {
    /// Begins to listen to objects created and removed under `prefix`.
    ///
    /// # Errors
    /// The store cannot be reached or has no such request.
    pub async fn listen(&self, prefix: &str) -> Result<Listening, ListenError> {
        let prefix = utf8_percent_encode(prefix, UNRESERVED);
        let query = format!(
            "events=s3%3AObjectCreated%3A%2A&events=s3%3AObjectRemoved%3A%2A\
             &ping={PING_SECONDS}&prefix={prefix}&suffix="
        );
        let settings = Builder::new()
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder().operation_attempt_timeout(CONNECT_TIMEOUT).build(),
            )
            // A quiet bucket is not a stalled download; `receive` limits the silence instead.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        // The client has no such request. But it finds the store, signs and streams answers, so it
        // gets a GET whose address is replaced before it is signed.
        let get = self
            .client
            .get_object()
            .bucket(self.name())
            .key(PLACEHOLDER)
            .customize()
            .config_override(settings);
        let get = get.mutate_request(move |request| {
            let address = request.uri().split('?').next().unwrap_or_default();
            let address = address.strip_suffix(PLACEHOLDER).unwrap_or(address);
            let address = format!("{address}?{query}");
            if let Err(error) = request.set_uri(address) {
                tracing::error!(%error, "the address for listening cannot be used");
            }
        });
        let bucket = self.name().to_owned();
        match get.send().await {
            Ok(answer) => {
                Ok(Listening { bucket, body: answer.body, buffer: BytesMut::new(), begun: false })
            }
            Err(error) => Err(match status(&error) {
                Some(status @ (400 | 403 | 404 | 405 | 501)) => ListenError::Refused {
                    bucket,
                    reason: format!("{status} {}", error.code().unwrap_or_default()),
                },
                _ => {
                    ListenError::Broken { bucket, reason: DisplayErrorContext(&error).to_string() }
                }
            }),
        }
    }
}

impl Listening {
    /// The next line that is not empty; pings are lines too. Loses nothing when dropped while it
    /// waits.
    ///
    /// # Errors
    /// The answer ended, broke off, was silent for a minute, or is not a stream of events.
    pub async fn next(&mut self) -> Result<Bytes, ListenError> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(searched + end + 1).freeze();
                searched = 0;
                let line = line.trim_ascii();
                if !line.is_empty() {
                    return Ok(Bytes::copy_from_slice(line));
                }
                continue;
            }
            searched = self.buffer.len();
            if searched > MAX_LINE_BYTES {
                return Err(self.broken(format!("a line has more than {MAX_LINE_BYTES} bytes")));
            }
            self.receive().await?;
        }
    }

    async fn receive(&mut self) -> Result<(), ListenError> {
        let chunk = match tokio::time::timeout(SILENCE, self.body.next()).await {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(error))) => return Err(self.broken(error.to_string())),
            Ok(None) => return Err(self.broken("the store ended its answer".to_owned())),
            Err(_) => return Err(self.broken(format!("not even a ping within {SILENCE:?}"))),
        };
        // Amazon S3 ignores the parameters it does not know and answers with a listing, in XML.
        let first = chunk.iter().find(|byte| !byte.is_ascii_whitespace());
        if !self.begun && first == Some(&b'<') {
            let reason = "it answers with a listing instead".to_owned();
            return Err(ListenError::Refused { bucket: self.bucket.clone(), reason });
        }
        self.begun |= first.is_some();
        // Stores without `ping` send spaces; they must not accumulate.
        if self.buffer.is_empty() && first.is_none() {
            return Ok(());
        }
        self.buffer.extend_from_slice(&chunk);
        Ok(())
    }

    fn broken(&self, reason: String) -> ListenError {
        ListenError::Broken { bucket: self.bucket.clone(), reason }
    }
}
