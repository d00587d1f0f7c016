//! Records of the local file: what a hit shows.

use ::snapshot::records::RecordError;
use serde::de::DeserializeOwned;
use table::captions::CaptionText;
use table::schema::Facts;

/// Facts as a record.
pub(super) fn write_facts(facts: &Facts) -> Vec<u8> {
    // The hash is left out where facts become JSON, and so here.
    postcard::to_stdvec(&(facts, facts.phash)).unwrap_or_default()
}

/// A caption as a record.
pub(super) fn write_caption(caption: &CaptionText) -> Vec<u8> {
    postcard::to_stdvec(caption).unwrap_or_default()
}

/// Reads what [`write_facts`] wrote.
pub(super) fn read_facts(record: &[u8]) -> Result<Facts, RecordError> {
    let (mut facts, phash): (Facts, u64) = read(record)?;
    facts.phash = phash;
    Ok(facts)
}

/// Reads what [`write_caption`] wrote.
pub(super) fn read_caption(record: &[u8]) -> Result<CaptionText, RecordError> {
    read(record)
}

fn read<T: DeserializeOwned>(record: &[u8]) -> Result<T, RecordError> {
    postcard::from_bytes(record).map_err(|_| RecordError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_and_captions_are_read_back() {
        let facts = Facts {
            image_id: "0a".into(),
            bucket: "b".into(),
            key: "k/ä.jpg".into(),
            etag: "e".into(),
            size_bytes: 1 << 40,
            last_modified: "2026-01-02T03:04:05.000006Z".parse().ok(),
            format: "jpeg".into(),
            width: 3,
            height: 2,
            orientation: 6,
            taken_at: None,
            taken_offset_minutes: Some(-90),
            camera: Some("c".into()),
            latitude: Some(-1.5),
            longitude: None,
            content_hash: "h".into(),
            phash: u64::MAX - 1,
        };
        assert_eq!(read_facts(&write_facts(&facts)).unwrap(), facts);
        let caption = CaptionText {
            caption: "a red car".into(),
            others: vec![("zh".into(), "红色汽车".into())],
            keywords: vec!["car".into()],
            ..CaptionText::default()
        };
        assert_eq!(read_caption(&write_caption(&caption)).unwrap(), caption);
        assert!(read_facts(b"something else").is_err());
    }
}
