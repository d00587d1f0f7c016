//! The folder and its keys. Each check and the change that depends on it happen under one lock.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context;
use s3s::{
    S3Error, S3Result, dto::ETagCondition, s3_error, validation::AwsNameValidation,
    validation::NameValidation,
};

use crate::{
    body::{self, BodyWriter, ObjectInfo, SealedBody},
    listing::{self, Keys, ListingPage, ListingQuery},
};

/// Folder of unfinished bodies; no bucket name may begin with a dot.
const INCOMING: &str = ".incoming";
const LOCK_FILE: &str = ".lock";

/// The conditions of a request on the current object.
#[derive(Default)]
pub(crate) struct Conditions {
    pub(crate) if_match: Option<ETagCondition>,
    pub(crate) if_none_match: Option<ETagCondition>,
}

/// All buckets below one folder.
pub(crate) struct FolderStore {
    root: PathBuf,
    buckets: Mutex<BTreeMap<String, Keys>>,
    /// The lock that keeps a second server out of the folder: its keys would differ from these.
    _in_use: File,
}

impl FolderStore {
    /// Opens a folder and reads the metadata of every object in it.
    pub(crate) fn open(root: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(root)?;
        let root = root.canonicalize()?;
        let in_use = File::create(root.join(LOCK_FILE))?;
        in_use
            .try_lock()
            .context("another server is using it; stop that one or choose another folder")?;
        let incoming = root.join(INCOMING);
        if incoming.exists() {
            fs::remove_dir_all(&incoming)
                .context("the files that a killed server left cannot be removed")?;
        }
        fs::create_dir(&incoming)?;

        let mut buckets = BTreeMap::new();
        for entry in fs::read_dir(&root)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() && name != INCOMING {
                buckets.insert(name, read_bucket(&entry.path())?);
            }
        }
        Ok(Self { root, buckets: Mutex::new(buckets), _in_use: in_use })
    }

    /// A new temporary file, on the file system of the objects, so that a rename can publish it.
    pub(crate) fn writer(&self) -> S3Result<BodyWriter> {
        BodyWriter::create(&self.root.join(INCOMING))
    }

    pub(crate) fn bucket_names(&self) -> Vec<String> {
        self.buckets().keys().cloned().collect()
    }

    /// Creates a bucket; `Ok(false)` if it exists.
    pub(crate) fn create_bucket(&self, bucket: &str) -> S3Result<bool> {
        if !AwsNameValidation::new().validate_bucket_name(bucket) {
            return Err(s3_error!(InvalidBucketName));
        }
        let mut buckets = self.buckets();
        if buckets.contains_key(bucket) {
            return Ok(false);
        }
        fs::create_dir(self.root.join(bucket)).map_err(S3Error::internal_error)?;
        buckets.insert(bucket.to_owned(), Keys::new());
        Ok(true)
    }

    pub(crate) fn delete_bucket(&self, bucket: &str) -> S3Result<()> {
        let mut buckets = self.buckets();
        if !keys(&buckets, bucket)?.is_empty() {
            return Err(s3_error!(BucketNotEmpty));
        }
        fs::remove_dir(self.root.join(bucket)).map_err(S3Error::internal_error)?;
        buckets.remove(bucket);
        Ok(())
    }

    pub(crate) fn check_bucket(&self, bucket: &str) -> S3Result<()> {
        keys(&self.buckets(), bucket).map(|_| ())
    }

    pub(crate) fn about(&self, bucket: &str, key: &str) -> S3Result<Arc<ObjectInfo>> {
        find(keys(&self.buckets(), bucket)?, key)
    }

    /// The metadata and the open file of an object; both stay at one version, whatever is written
    /// meanwhile.
    pub(crate) fn read(&self, bucket: &str, key: &str) -> S3Result<(Arc<ObjectInfo>, File)> {
        let buckets = self.buckets();
        let about = find(keys(&buckets, bucket)?, key)?;
        let file = File::open(self.object_path(bucket, key)).map_err(S3Error::internal_error)?;
        Ok((about, file))
    }

    /// Makes a complete body the object of its key, if the conditions hold at this moment.
    pub(crate) fn commit(
        &self,
        bucket: &str,
        sealed: SealedBody,
        conditions: &Conditions,
    ) -> S3Result<Arc<ObjectInfo>> {
        let path = self.object_path(bucket, &sealed.about.key);
        let mut buckets = self.buckets();
        let keys = buckets.get_mut(bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        conditions.check_write(keys.get(&sealed.about.key))?;
        sealed.path.persist(path).map_err(|error| S3Error::internal_error(error.error))?;
        let about = Arc::new(sealed.about);
        keys.insert(about.key.clone(), about.clone());
        Ok(about)
    }

    /// Removes an object; a missing one counts as removed.
    pub(crate) fn delete(&self, bucket: &str, key: &str, conditions: &Conditions) -> S3Result<()> {
        let mut buckets = self.buckets();
        let keys = buckets.get_mut(bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        let Some(current) = keys.get(key) else { return Ok(()) };
        conditions.check_write(Some(current))?;
        match fs::remove_file(self.object_path(bucket, key)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(S3Error::internal_error(error));
            }
            _ => keys.remove(key),
        };
        Ok(())
    }

    pub(crate) fn list(&self, bucket: &str, query: &ListingQuery) -> S3Result<ListingPage> {
        Ok(listing::page(keys(&self.buckets(), bucket)?, query))
    }

    fn buckets(&self) -> MutexGuard<'_, BTreeMap<String, Keys>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keys may contain any character and be longer than a file name, so the key's hash names the
    /// file.
    fn object_path(&self, bucket: &str, key: &str) -> PathBuf {
        self.root.join(bucket).join(blake3::hash(key.as_bytes()).to_hex().as_str())
    }
}

impl Conditions {
    /// 412 if the object differs from `if_match`, 304 if it equals `if_none_match`.
    pub(crate) fn check_read(&self, current: &ObjectInfo) -> S3Result<()> {
        if self.if_match.as_ref().is_some_and(|condition| !names(condition, current)) {
            return Err(s3_error!(PreconditionFailed));
        }
        if self.if_none_match.as_ref().is_some_and(|condition| names(condition, current)) {
            return Err(s3_error!(NotModified));
        }
        Ok(())
    }

    fn check_write(&self, current: Option<&Arc<ObjectInfo>>) -> S3Result<()> {
        match (&self.if_match, current) {
            (Some(_), None) => return Err(s3_error!(NoSuchKey)),
            (Some(condition), Some(current)) if !names(condition, current) => {
                return Err(s3_error!(PreconditionFailed));
            }
            _ => {}
        }
        match (&self.if_none_match, current) {
            (Some(condition), Some(current)) if names(condition, current) => {
                Err(s3_error!(PreconditionFailed))
            }
            _ => Ok(()),
        }
    }
}

fn names(condition: &ETagCondition, current: &ObjectInfo) -> bool {
    condition.as_etag().is_none_or(|etag| etag.value() == current.etag)
}

fn keys<'a>(buckets: &'a BTreeMap<String, Keys>, bucket: &str) -> S3Result<&'a Keys> {
    buckets.get(bucket).ok_or_else(|| s3_error!(NoSuchBucket))
}

fn find(keys: &Keys, key: &str) -> S3Result<Arc<ObjectInfo>> {
    keys.get(key).cloned().ok_or_else(|| s3_error!(NoSuchKey))
}

fn read_bucket(folder: &Path) -> anyhow::Result<Keys> {
    let mut keys = Keys::new();
    for entry in fs::read_dir(folder)? {
        let about = body::read_about(&entry?.path())?;
        keys.insert(about.key.clone(), Arc::new(about));
    }
    Ok(keys)
}
