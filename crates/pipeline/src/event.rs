//! S3 notifications → object events. An event is only a hint: "look at this key".
//!
//! The JSON is almost the same everywhere; what differs is how the key is encoded, and that cannot be guessed from the
//! text. AWS, MinIO (webhook, AMQP) and RustFS form-encode it (`+` is a space, `%2B` a plus); Ceph sends it as stored.

use percent_encoding::percent_decode_str;
use serde::Deserialize;

/// Which program sent the notification, because each encodes keys its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventSource {
    /// Decide from the document: Ceph names itself in `eventSource`, everything else form-encodes keys.
    #[default]
    Auto,
    /// Amazon S3.
    Aws,
    /// MinIO webhook or AMQP target.
    Minio,
    /// RustFS.
    Rustfs,
    /// Ceph RADOS Gateway: keys come as stored.
    Ceph,
}

/// What a notification says happened to one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectEvent {
    /// Content was written under this key.
    Created {
        /// Bucket name.
        bucket: String,
        /// Decoded object key.
        key: String,
    },
    /// The key was removed (or a delete marker was put over it).
    Removed {
        /// Bucket name.
        bucket: String,
        /// Decoded object key.
        key: String,
    },
}

/// The body is not an S3 notification.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Not JSON, or JSON of another shape.
    #[error("the body is not an S3 notification: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A key that is not UTF-8 once decoded.
    #[error("the key '{0}' is not UTF-8 after decoding")]
    KeyNotUtf8(String),
}

#[derive(Deserialize)]
struct Notification {
    // MinIO's and RustFS's keep-alive pings carry `null` or an empty list; AWS's test event carries no list at all.
    #[serde(rename = "Records", default)]
    records: Option<Vec<Record>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_name: String,
    #[serde(default)]
    event_source: String,
    s3: S3,
}

#[derive(Deserialize)]
struct S3 {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

// Size and ETag are deliberately not read: sources send the size as number, as text or not at all, and the object's
// present state is asked of the store anyway.
#[derive(Deserialize)]
struct Object {
    key: String,
}

/// Parses one notification body into its events, in order. `s3:TestEvent`, pings and event kinds that concern no
/// content (tagging, replication, ILM transitions) give no event.
///
/// # Errors
/// The body is not JSON, has records of another shape, or a key does not decode to UTF-8.
pub fn parse_notification(body: &[u8], source: EventSource) -> Result<Vec<ObjectEvent>, EventError> {
    let notification: Notification = serde_json::from_slice(body)?;
    notification.records.unwrap_or_default().into_iter().filter_map(|record| to_event(record, source).transpose()).collect()
}

fn to_event(record: Record, source: EventSource) -> Result<Option<ObjectEvent>, EventError> {
    let name = record.event_name.strip_prefix("s3:").unwrap_or(&record.event_name);
    let kind = name.split(':').next().unwrap_or_default();
    if kind != "ObjectCreated" && kind != "ObjectRemoved" {
        return Ok(None);
    }
    let raw = match source {
        EventSource::Ceph => true,
        EventSource::Auto => record.event_source == "ceph:s3",
        EventSource::Aws | EventSource::Minio | EventSource::Rustfs => false,
    };
    let (bucket, key) = (record.s3.bucket.name, record.s3.object.key);
    let key = if raw { key } else { form_decode(&key)? };
    Ok(Some(if kind == "ObjectCreated" { ObjectEvent::Created { bucket, key } } else { ObjectEvent::Removed { bucket, key } }))
}

fn form_decode(key: &str) -> Result<String, EventError> {
    let spaced = key.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().map(|k| k.into_owned()).map_err(|_| EventError::KeyNotUtf8(key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(event: &str, source: &str, object: &str) -> Vec<u8> {
        format!(
            r#"{{"Records":[{{"eventVersion":"2.1","eventSource":"{source}","eventName":"{event}",
               "s3":{{"s3SchemaVersion":"1.0","bucket":{{"name":"pics","arn":"arn"}},"object":{object}}}}}]}}"#
        )
        .into_bytes()
    }

    fn created(key: &str) -> Vec<ObjectEvent> {
        vec![ObjectEvent::Created { bucket: "pics".into(), key: key.into() }]
    }

    #[test]
    fn keys_are_decoded_the_way_each_source_encodes_them() {
        let encoded = r#"{"key":"a+b%2Bc%25/%E6%B5%B7.jpg","size":1,"eTag":"x","sequencer":"0A"}"#;
        for name in ["ObjectCreated:Put", "s3:ObjectCreated:CompleteMultipartUpload"] {
            let events = parse_notification(&body(name, "aws:s3", encoded), EventSource::Auto).unwrap();
            assert_eq!(events, created("a b+c%/海.jpg"));
        }
        let stored = r#"{"key":"a+b%2Bc.jpg","size":"12"}"#;
        assert_eq!(
            parse_notification(&body("ObjectCreated:Put", "ceph:s3", stored), EventSource::Auto).unwrap(),
            created("a+b%2Bc.jpg")
        );
        assert_eq!(
            parse_notification(&body("ObjectCreated:Put", "", stored), EventSource::Ceph).unwrap(),
            created("a+b%2Bc.jpg")
        );
        assert_eq!(
            parse_notification(&body("ObjectCreated:Put", "minio:s3", stored), EventSource::Minio).unwrap(),
            created("a b+c.jpg")
        );
    }

    #[test]
    fn deletes_need_neither_size_nor_etag() {
        for name in ["s3:ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated"] {
            let events = parse_notification(&body(name, "minio:s3", r#"{"key":"x","versionId":""}"#), EventSource::Auto).unwrap();
            assert_eq!(events, vec![ObjectEvent::Removed { bucket: "pics".into(), key: "x".into() }]);
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
        assert_eq!(parse_notification(many.as_bytes(), EventSource::Auto).unwrap().len(), 2);
    }

    #[test]
    fn pings_and_test_events_are_no_events_and_garbage_is_an_error() {
        for quiet in
            [r#"{"Records":null}"#, r#"{"Records":[]}"#, r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#]
        {
            assert_eq!(parse_notification(quiet.as_bytes(), EventSource::Auto).unwrap(), vec![]);
        }
        for bad in ["", "[]x", "{\"Records\":[{}]}", "\u{0}"] {
            assert!(parse_notification(bad.as_bytes(), EventSource::Auto).is_err(), "{bad}");
        }
        assert!(parse_notification(&body("ObjectCreated:Put", "aws:s3", r#"{"key":"%FF"}"#), EventSource::Auto).is_err());
    }
}
