//! Multipart uploads in progress; they are kept in memory and end with the server.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use s3s::{
    S3Error, S3Result,
    crypto::{Checksum, Md5},
    dto::CompletedPart,
    s3_error,
};
use uuid::Uuid;

use crate::{
    body::{Labels, ObjectInfo, UploadedPart},
    store::{Conditions, FolderStore},
};

/// S3 refuses smaller parts except as the last one; accepting them would hide a bug until
/// production.
const MIN_PART_BYTES: u64 = 5 * 1024 * 1024;

/// Uploads by their id.
#[derive(Default)]
pub(crate) struct MultipartUploads(Mutex<HashMap<String, MultipartUpload>>);

#[derive(Clone)]
struct MultipartUpload {
    bucket: String,
    key: String,
    labels: Labels,
    parts: BTreeMap<i32, Arc<UploadedPart>>,
}

impl MultipartUploads {
    pub(crate) fn create(&self, bucket: String, key: String, labels: Labels) -> String {
        let id = Uuid::new_v4().simple().to_string();
        self.uploads()
            .insert(id.clone(), MultipartUpload { bucket, key, labels, parts: BTreeMap::new() });
        id
    }

    pub(crate) fn add(&self, id: &str, number: i32, part: UploadedPart) -> S3Result<()> {
        let mut uploads = self.uploads();
        let upload = uploads.get_mut(id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        upload.parts.insert(number, Arc::new(part));
        Ok(())
    }

    pub(crate) fn abort(&self, id: &str) -> S3Result<()> {
        self.uploads().remove(id).map(|_| ()).ok_or_else(|| s3_error!(NoSuchUpload))
    }

    /// Joins the named parts into one object. After a refused condition or part the upload stays
    /// usable.
    pub(crate) async fn complete(
        &self,
        store: &FolderStore,
        id: &str,
        named: &[CompletedPart],
        conditions: &Conditions,
    ) -> S3Result<Arc<ObjectInfo>> {
        let upload = self.uploads().get(id).cloned().ok_or_else(|| s3_error!(NoSuchUpload))?;
        let parts = upload.select(named)?;
        let mut writer = store.writer()?;
        let mut md5 = Md5::new();
        for part in &parts {
            md5.update(&part.md5);
            let file = File::open(&part.path).map_err(S3Error::internal_error)?;
            writer.append(file, part.size_bytes).await.map_err(S3Error::internal_error)?;
        }
        let etag = format!("{}-{}", hex::encode(md5.finalize()), parts.len());
        let sealed = writer
            .seal(upload.key, Some(etag), upload.labels)
            .await
            .map_err(S3Error::internal_error)?;
        let about = store.commit(&upload.bucket, sealed, conditions)?;
        self.uploads().remove(id);
        Ok(about)
    }

    fn uploads(&self) -> MutexGuard<'_, HashMap<String, MultipartUpload>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MultipartUpload {
    /// The named parts: they must exist with that ETag, in ascending order, and be large enough.
    fn select(&self, named: &[CompletedPart]) -> S3Result<Vec<Arc<UploadedPart>>> {
        let mut parts: Vec<Arc<UploadedPart>> = Vec::with_capacity(named.len());
        let mut last_number = 0;
        for name in named {
            let number = name.part_number.unwrap_or_default();
            if number <= last_number {
                return Err(s3_error!(InvalidPartOrder));
            }
            last_number = number;
            let part = self.parts.get(&number).ok_or_else(|| s3_error!(InvalidPart))?;
            if name.e_tag.as_ref().is_some_and(|etag| etag.value() != hex::encode(part.md5)) {
                return Err(s3_error!(InvalidPart));
            }
            parts.push(part.clone());
        }
        match parts.split_last() {
            None => Err(s3_error!(MalformedXML, "an upload needs at least one part")),
            Some((_, before)) if before.iter().any(|part| part.size_bytes < MIN_PART_BYTES) => {
                Err(s3_error!(EntityTooSmall))
            }
            Some(_) => Ok(parts),
        }
    }
}
