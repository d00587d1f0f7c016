//! The version of the broker, from its greeting.

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use lapin::tcp::AMQPUriTcpExt;
use lapin::uri::AMQPUri;
use secrecy::ExposeSecret;

use crate::connection::AmqpSettings;

const GREETING_TIMEOUT: Duration = Duration::from_secs(5);
const GREETING_BYTES: usize = 8192;

/// The version in the broker's greeting. The client library does not expose the greeting, so a
/// second, short connection reads it.
pub(super) async fn version(settings: &AmqpSettings) -> Option<String> {
    let greeting = async {
        let uri: AMQPUri = settings.url.expose_secret().parse().ok()?;
        let runtime = lapin::runtime::default_runtime().ok()?;
        let mut stream = uri.connect_async(&runtime).await.ok()?;
        stream.write_all(b"AMQP\x00\x00\x09\x01").await.ok()?;
        stream.flush().await.ok()?;
        let mut greeting = Vec::new();
        let mut some = [0; 1024];
        while greeting.len() < GREETING_BYTES {
            let count = stream.read(&mut some).await.ok().filter(|count| *count > 0)?;
            greeting.extend_from_slice(&some[..count]);
            if let Some(version) = version_in(&greeting) {
                return Some(version);
            }
        }
        None
    };
    tokio::time::timeout(GREETING_TIMEOUT, greeting).await.ok().flatten()
}

/// Finds the property `version` in a greeting: the name with its length, `S`, and the text with its
/// length.
fn version_in(greeting: &[u8]) -> Option<String> {
    const ENTRY: &[u8] = b"\x07versionS";
    let at = greeting.windows(ENTRY.len()).position(|window| window == ENTRY)? + ENTRY.len();
    let length = u32::from_be_bytes(greeting.get(at..at + 4)?.try_into().ok()?);
    let text = greeting.get(at + 4..)?.get(..usize::try_from(length).ok()?)?;
    Some(
        text.iter()
            .take(40)
            .filter(|byte| byte.is_ascii_graphic())
            .map(|byte| char::from(*byte))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_a_whole_greeting_only() {
        let greeting =
            b"\x01\0\0xx\x07productS\0\0\0\x08RabbitMQ\x07versionS\0\0\0\x063.10.8\x05otherS";
        assert_eq!(version_in(greeting).as_deref(), Some("3.10.8"));
        for cut in [10, 35, 40] {
            assert_eq!(version_in(&greeting[..cut]), None, "{cut}");
        }
        assert_eq!(version_in(b"\x07versionS\xff\xff\xff\xff3"), None);
    }
}
