//! The facts about an object version that need no model.

use inference::Picture;
use pipeline::ObjectRef;
use table::schema::Facts;

/// The columns that every table begins with, from an object, its bytes and its decoded picture.
pub fn facts(object: &ObjectRef, bytes: &[u8], picture: &Picture) -> Facts {
    Facts {
        image_id: object.image_id().to_string(),
        bucket: object.bucket.clone(),
        key: object.key.clone(),
        etag: object.etag.clone(),
        size_bytes: bytes.len() as u64,
        last_modified: object.last_modified,
        format: picture.format.as_str().to_owned(),
        width: picture.width,
        height: picture.height,
        orientation: picture.orientation,
        taken_at: picture.metadata.taken_at,
        taken_offset_minutes: picture.metadata.taken_offset_minutes,
        camera: picture.metadata.camera.clone(),
        latitude: picture.metadata.gps.map(|(latitude, _)| latitude),
        longitude: picture.metadata.gps.map(|(_, longitude)| longitude),
        content_hash: blake3::hash(bytes).to_hex().to_string(),
        phash: picture.phash(),
    }
}
