//! S3 notifications → object events. An event is only a hint: "look at this key".
//!
//! All stores write almost the same JSON, but they encode the key differently, and the text does
//! not show how. When a store pushes, AWS, MinIO and RustFS form-encode the key (`+` is a space,
//! `%2B` a plus) and Ceph sends it as stored. When we listen, MinIO sends it as stored and RustFS
//! form-encodes it. So every event carries the likely key, and the other reading of the same text
//! in case there is no object under the likely one.

use percent_encoding::percent_decode_str;
use serde::Deserialize;

/// Which store sent the notification, because each encodes keys its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventSource {
    /// Decide from the document: Ceph, MinIO and RustFS name themselves in `eventSource`.
    #[default]
    Auto,
    /// Amazon S3.
    Aws,
    /// MinIO.
    Minio,
    /// RustFS.
    Rustfs,
    /// Ceph RADOS Gateway: keys come as stored.
    Ceph,
}

/// How the notification came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The store sent it: webhook or message queue.
    Push,
    /// We listen to the store (`ListenBucketNotification`).
    Listen,
}

/// What happened to the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectChange {
    /// Content was written under it.
    Created,
    /// It was removed, or hidden by a delete marker.
    Removed,
}

/// What a notification says about one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectEvent {
    /// What happened.
    pub change: ObjectChange,
    /// Bucket name.
    pub bucket: String,
    /// Object key, decoded the way this store encodes it.
    pub key: String,
    /// The key in the other reading, where that differs.
    pub other_key: Option<String>,
}

/// The body is not an S3 notification.
#[derive(Debug, thiserror::Error)]
#[error("the body is not an S3 notification: {0}")]
pub struct EventError(#[from] serde_json::Error);

#[derive(Deserialize)]
struct S3Notification {
    // MinIO's and RustFS's keep-alive pings carry `null` or an empty list; AWS's test event carries
    // no list at all.
    #[serde(rename = "Records", default)]
    records: Option<Vec<S3Record>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct S3Record {
    event_name: String,
    #[serde(default)]
    event_source: String,
    s3: S3Entity,
}

#[derive(Deserialize)]
struct S3Entity {
    bucket: S3Bucket,
    object: S3Object,
}

#[derive(Deserialize)]
struct S3Bucket {
    name: String,
}

// Size, ETag and version are deliberately not read: stores send the size as number, as text or not
// at all, and the store is asked for the object's present state anyway.
#[derive(Deserialize)]
struct S3Object {
    key: String,
}

/// Parses one notification body into its events, in order. `s3:TestEvent`, pings and events that do
/// not concern content (tagging, replication, ILM transitions) give none.
///
/// # Errors
/// The body is not JSON, or has records of another shape.
pub fn parse_notification(
    body: &[u8],
    source: EventSource,
    via: Via,
) -> Result<Vec<ObjectEvent>, EventError> {
    let notification: S3Notification = serde_json::from_slice(body)?;
    Ok(notification
        .records
        .unwrap_or_default()
        .into_iter()
        .filter_map(|record| to_event(record, source, via))
        .collect())
}

fn to_event(record: S3Record, source: EventSource, via: Via) -> Option<ObjectEvent> {
    let name = record.event_name.strip_prefix("s3:").unwrap_or(&record.event_name);
    let change = match name.split(':').next() {
        Some("ObjectCreated") => ObjectChange::Created,
        Some("ObjectRemoved") => ObjectChange::Removed,
        _ => return None,
    };
    let source = match (source, record.event_source.as_str()) {
        (EventSource::Auto, "ceph:s3") => EventSource::Ceph,
        (EventSource::Auto, "minio:s3") => EventSource::Minio,
        (named, _) => named,
    };
    let as_stored =
        matches!((source, via), (EventSource::Ceph, _) | (EventSource::Minio, Via::Listen));
    let (bucket, raw) = (record.s3.bucket.name, record.s3.object.key);
    let (key, other_key) = match form_decoded(&raw) {
        None => (raw, None),
        Some(decoded) if as_stored => (raw, Some(decoded)),
        Some(decoded) => (decoded, Some(raw)),
    };
    Some(ObjectEvent { change, bucket, other_key: other_key.filter(|other| *other != key), key })
}

// `None` if the result is not UTF-8, which keys always are.
fn form_decoded(key: &str) -> Option<String> {
    let spaced = key.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(|key| key.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(event: &str, source: &str, object: &str) -> Vec<u8> {
        format!(
            r#"{{"Records":[{{"eventVersion":"2.1","eventSource":"{source}","eventName":"{event}",
               "s3":{{"s3SchemaVersion":"1.0","bucket":{{"name":"pics","arn":"arn"}},
               "object":{object}}}}}]}}"#
        )
        .into_bytes()
    }

    /// Both readings of a key sent by `source`.
    fn read(key: &str, source: &str, set: EventSource, via: Via) -> (String, Option<String>) {
        let object = serde_json::json!({
            "key": key, "size": "12", "eTag": "x", "versionId": "", "sequencer": "0A"
        });
        let mut events = parse_notification(
            &body("s3:ObjectCreated:Put", source, &object.to_string()),
            set,
            via,
        )
        .unwrap();
        let event = events.pop().unwrap();
        (event.key, event.other_key)
    }

    #[test]
    fn keys_are_decoded_the_way_each_source_encodes_them() {
        use EventSource::{Auto, Aws, Ceph, Minio, Rustfs};
        use Via::{Listen, Push};
        let encoded = "a+b%2Bc%25/%E6%B5%B7.jpg";
        let decoded = "a b+c%/海.jpg";
        for (source, set, via, key) in [
            ("aws:s3", Auto, Push, decoded),
            ("minio:s3", Auto, Push, decoded),
            ("rustfs:s3", Auto, Push, decoded),
            ("ceph:s3", Auto, Push, encoded),
            ("", Ceph, Push, encoded),
            ("", Aws, Push, decoded),
            ("minio:s3", Auto, Listen, encoded),
            ("", Minio, Listen, encoded),
            ("minio:s3", Rustfs, Listen, decoded),
            ("rustfs:s3", Auto, Listen, decoded),
        ] {
            let other = if key == encoded { decoded } else { encoded };
            assert_eq!(
                read(encoded, source, set, via),
                (key.into(), Some(other.into())),
                "{source} {set:?} {via:?}"
            );
        }
    }

    #[test]
    fn a_key_with_one_reading_has_no_other() {
        for key in [
            "plain.jpg",
            "/leading/slash.jpg",
            "海/😀.jpg",
            "50%FF.jpg",
            "",
            "quote\" and \\ line\n.jpg",
        ] {
            for via in [Via::Push, Via::Listen] {
                assert_eq!(read(key, "minio:s3", EventSource::Auto, via), (key.into(), None));
            }
        }
    }

    #[test]
    fn deletes_need_neither_size_nor_etag() {
        for name in ["s3:ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated"] {
            let body = body(name, "minio:s3", r#"{"key":"x","versionId":""}"#);
            let events = parse_notification(&body, EventSource::Auto, Via::Push).unwrap();
            let removed = ObjectEvent {
                change: ObjectChange::Removed,
                bucket: "pics".into(),
                key: "x".into(),
                other_key: None,
            };
            assert_eq!(events, vec![removed]);
        }
    }

    #[test]
    fn every_record_of_a_notification_counts() {
        let one = String::from_utf8(body("ObjectCreated:Put", "aws:s3", r#"{"key":"1"}"#)).unwrap();
        let record = &one[12..one.len() - 2];
        let many = format!(
            r#"{{"EventName":"x","Key":"pics/1","Records":[{record},{},{record}]}}"#,
            record.replace("Created:Put", "Tagging:Put")
        );
        assert_eq!(
            parse_notification(many.as_bytes(), EventSource::Auto, Via::Push).unwrap().len(),
            2
        );
    }

    #[test]
    fn pings_and_test_events_are_no_events_and_garbage_is_an_error() {
        for quiet in [
            r#"{"Records":null}"#,
            r#"{"Records":[]}"#,
            r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#,
        ] {
            assert_eq!(
                parse_notification(quiet.as_bytes(), EventSource::Auto, Via::Listen).unwrap(),
                vec![]
            );
        }
        for bad in ["", "[]x", "{\"Records\":[{}]}", "\u{0}"] {
            assert!(
                parse_notification(bad.as_bytes(), EventSource::Auto, Via::Push).is_err(),
                "{bad}"
            );
        }
    }
}
