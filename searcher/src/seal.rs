//! The seal of what clients keep for the server, such as cursors: clients can neither make nor
//! change it. One key serves a deployment; it lies in the bucket, so that every searcher takes the
//! cursors of the others, also after a restart.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blake3::Hash;
use pipeline::bucket::Only;
use pipeline::state::{StateError, StateStore};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

/// Longest sealed text.
pub(crate) const MAX_SEALED_BYTES: usize = 2 << 10;
/// Length of a tag: nobody hits one of 2^128 by chance.
const TAG_BYTES: usize = 16;
/// Name of the state object with the key.
const STATE_NAME: &str = "seal";
// Another searcher may write the key first, and then it is there at the next look.
const ATTEMPTS: usize = 3;

/// Seals and opens with one key.
pub(crate) struct Seal {
    key: [u8; blake3::KEY_LEN],
}

/// The state object `seal`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    /// 64 hex digits.
    #[serde(with = "hex_key")]
    key: Hash,
}

mod hex_key {
    use blake3::Hash;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(key: &Hash, writer: S) -> Result<S::Ok, S::Error> {
        writer.serialize_str(&key.to_hex())
    }

    // The error must not repeat a part of the key, because errors are logged.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(reader: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(reader)?;
        Hash::from_hex(text).map_err(|_| D::Error::custom("the key must be 64 hex digits"))
    }
}

impl Seal {
    /// A seal with a random key, which no other process knows.
    pub(crate) fn random() -> Self {
        Self { key: rand::random() }
    }

    /// The seal of this deployment; the first searcher makes its key. Where the store refuses to
    /// take one, a random key serves: then the process takes its own cursors only.
    ///
    /// # Errors
    /// The key cannot be read.
    pub(crate) async fn load(state: &StateStore) -> Result<Self, StateError> {
        for _ in 0..ATTEMPTS {
            if let Some((StoredKey { key }, _)) = state.get(STATE_NAME).await? {
                return Ok(Self { key: key.into() });
            }
            let key = StoredKey { key: Hash::from_bytes(rand::random()) };
            // Read again whether it was written or not: only what others read too may serve.
            if let Err(error) = state.put(STATE_NAME, &key, Only::IfAbsent).await {
                tracing::warn!(
                    %error,
                    object = state.key(STATE_NAME),
                    "cannot write the key of cursors: they end with this process, and other \
                     searchers refuse them"
                );
                return Ok(Self::random());
            }
        }
        tracing::warn!(
            object = state.key(STATE_NAME),
            "the key of cursors does not stay in the store: they end with this process, and other \
             searchers refuse them"
        );
        Ok(Self::random())
    }

    /// The payload and its tag, as text for an address. At most
    /// [`MAX_SEALED_BYTES`] * 3 / 4 - 16 bytes of payload can be opened again.
    pub(crate) fn sign(&self, payload: &[u8]) -> String {
        let tag = self.tag(payload);
        URL_SAFE_NO_PAD.encode([payload, &tag].concat())
    }

    /// The payload of what [`sign`](Self::sign) returned; `None` for any other text.
    pub(crate) fn open(&self, text: &str) -> Option<Vec<u8>> {
        if text.len() > MAX_SEALED_BYTES {
            return None;
        }
        let mut payload = URL_SAFE_NO_PAD.decode(text).ok()?;
        let tag = payload.split_off(payload.len().checked_sub(TAG_BYTES)?);
        bool::from(self.tag(&payload).ct_eq(tag.as_slice())).then_some(payload)
    }

    fn tag(&self, payload: &[u8]) -> [u8; TAG_BYTES] {
        let mut tag = [0; TAG_BYTES];
        blake3::Hasher::new_keyed(&self.key).update(payload).finalize_xof().fill(&mut tag);
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_payload_is_opened_by_the_same_key_only() {
        let (seal, foreign) = (Seal::random(), Seal::random());
        for payload in [b"".as_slice(), b"x", &[7; 1520]] {
            let text = seal.sign(payload);
            assert!(text.len() <= MAX_SEALED_BYTES);
            assert_eq!(seal.open(&text).as_deref(), Some(payload));
            assert_eq!(foreign.open(&text), None);
        }
        assert_eq!(seal.open(&seal.sign(&[7; 1521])), None, "longer than any of ours");
    }

    #[test]
    fn a_changed_text_is_not_opened() {
        let seal = Seal::random();
        let text = seal.sign(b"{\"p\":9}");
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            assert_eq!(seal.open(&URL_SAFE_NO_PAD.encode(changed)), None, "byte {place}");
            assert_eq!(seal.open(&URL_SAFE_NO_PAD.encode(&bytes[..place])), None, "cut {place}");
        }
        for other in ["", "nonsense", "%%%", &format!("{text}="), &format!("{text}AA"), "é"] {
            assert_eq!(seal.open(other), None, "{other}");
        }
        assert_eq!(seal.open(&"A".repeat(1 << 20)), None);
    }

    #[test]
    fn the_stored_key_is_read_back_and_nothing_else_is() {
        let stored = StoredKey { key: Hash::from_bytes([171; 32]) };
        let json = serde_json::to_string(&stored).unwrap();
        assert_eq!(json, format!("{{\"key\":\"{}\"}}", "ab".repeat(32)));
        assert_eq!(serde_json::from_str::<StoredKey>(&json).unwrap().key, stored.key);
        for wrong in ["{}", "{\"key\":\"\"}", "{\"key\":\"secret\"}", "{\"key\":7}"] {
            let error = serde_json::from_str::<StoredKey>(wrong).err().unwrap().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
