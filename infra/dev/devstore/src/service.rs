//! The S3 operations of this server, each by means of the store. All others answer
//! `NotImplemented`.

use std::{borrow::Cow, io::SeekFrom, sync::Arc};

use async_trait::async_trait;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, dto::*, s3_error};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use crate::{
    body::{Labels, ObjectInfo},
    listen::Notifier,
    listing::{ListingPosition, ListingQuery},
    store::{Conditions, FolderStore},
    upload::MultipartUploads,
};

const MAX_KEYS: i32 = 1000;
const READ_BUFFER_BYTES: u64 = 256 * 1024;
const KEPT_IN_URL: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// The store behind the S3 protocol.
pub(crate) struct Devstore {
    store: Arc<FolderStore>,
    uploads: MultipartUploads,
    changes: Notifier,
}

impl Devstore {
    pub(crate) fn new(store: Arc<FolderStore>, changes: Notifier) -> Self {
        Self { store, uploads: MultipartUploads::default(), changes }
    }
}

type S3Answer<T> = S3Result<S3Response<T>>;

fn answer<T>(output: T) -> S3Answer<T> {
    Ok(S3Response::new(output))
}

#[async_trait]
impl S3 for Devstore {
    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Answer<CreateBucketOutput> {
        match self.store.create_bucket(&request.input.bucket)? {
            true => answer(CreateBucketOutput::default()),
            false => Err(s3_error!(BucketAlreadyOwnedByYou)),
        }
    }

    async fn delete_bucket(
        &self,
        request: S3Request<DeleteBucketInput>,
    ) -> S3Answer<DeleteBucketOutput> {
        self.store.delete_bucket(&request.input.bucket)?;
        answer(DeleteBucketOutput::default())
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Answer<HeadBucketOutput> {
        self.store.check_bucket(&request.input.bucket)?;
        answer(HeadBucketOutput::default())
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Answer<GetBucketLocationOutput> {
        self.store.check_bucket(&request.input.bucket)?;
        answer(GetBucketLocationOutput::default())
    }

    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> S3Answer<ListBucketsOutput> {
        let names = self.store.bucket_names().into_iter();
        let buckets = names.map(|name| Bucket { name: Some(name), ..Default::default() }).collect();
        answer(ListBucketsOutput { buckets: Some(buckets), ..Default::default() })
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Answer<ListObjectsV2Output> {
        let input = request.input;
        let max_keys = input.max_keys.unwrap_or(MAX_KEYS).clamp(0, MAX_KEYS);
        let after = match &input.continuation_token {
            Some(token) => {
                Some(ListingPosition::from_token(token).ok_or_else(|| s3_error!(InvalidArgument))?)
            }
            None => input.start_after.clone().map(ListingPosition::Key),
        };
        let prefix = input.prefix.clone().unwrap_or_default();
        let query = ListingQuery {
            prefix,
            delimiter: input.delimiter.clone(),
            after,
            max_keys: max_keys as usize,
        };
        let page = self.store.list(&input.bucket, &query)?;

        let in_url = input
            .encoding_type
            .as_ref()
            .is_some_and(|encoding| encoding.as_str() == EncodingType::URL);
        let written = |text: &str| match in_url {
            true => Cow::from(utf8_percent_encode(text, KEPT_IN_URL)).into_owned(),
            false => text.to_owned(),
        };
        answer(ListObjectsV2Output {
            key_count: Some(page.len() as i32),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.as_ref().map(ListingPosition::to_token),
            contents: Some(
                page.objects.iter().map(|about| listed(about, written(&about.key))).collect(),
            ),
            common_prefixes: Some(
                page.groups
                    .iter()
                    .map(|prefix| CommonPrefix { prefix: Some(written(prefix)) })
                    .collect(),
            ),
            max_keys: Some(max_keys),
            prefix: input.prefix.as_deref().map(written),
            delimiter: input.delimiter.as_deref().map(written),
            start_after: input.start_after.as_deref().map(written),
            continuation_token: input.continuation_token,
            encoding_type: input.encoding_type,
            name: Some(input.bucket),
            ..Default::default()
        })
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Answer<HeadObjectOutput> {
        let input = request.input;
        let about = self.store.about(&input.bucket, &input.key)?;
        Conditions { if_match: input.if_match, if_none_match: input.if_none_match }
            .check_read(&about)?;
        answer(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(about.size_bytes as i64),
            content_type: about.labels.content_type.clone(),
            e_tag: Some(ETag::Strong(about.etag.clone())),
            last_modified: Some(about.last_modified.into()),
            metadata: about.labels.metadata.clone(),
            ..Default::default()
        })
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Answer<GetObjectOutput> {
        let input = request.input;
        let (about, file) = self.store.read(&input.bucket, &input.key)?;
        Conditions { if_match: input.if_match, if_none_match: input.if_none_match }
            .check_read(&about)?;
        let range = match input.range {
            Some(range) => range.check(about.size_bytes)?,
            None => 0..about.size_bytes,
        };
        let length = range.end - range.start;
        let content_range =
            format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), about.size_bytes);
        let mut file = tokio::fs::File::from_std(file);
        file.seek(SeekFrom::Start(range.start)).await.map_err(S3Error::internal_error)?;
        let buffer = length.clamp(1, READ_BUFFER_BYTES) as usize;
        answer(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_disposition: input.response_content_disposition,
            body: Some(StreamingBlob::wrap(ReaderStream::with_capacity(file.take(length), buffer))),
            content_length: Some(length as i64),
            content_range: input.range.map(|_| content_range),
            content_type: about.labels.content_type.clone(),
            e_tag: Some(ETag::Strong(about.etag.clone())),
            last_modified: Some(about.last_modified.into()),
            metadata: about.labels.metadata.clone(),
            ..Default::default()
        })
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Answer<PutObjectOutput> {
        let input = request.input;
        self.store.check_bucket(&input.bucket)?;
        let labels = Labels { content_type: input.content_type, metadata: input.metadata };
        let conditions =
            Conditions { if_match: input.if_match, if_none_match: input.if_none_match };
        let writer = self.store.writer()?.receive(input.body).await?;
        let sealed = writer.seal(input.key, None, labels).await.map_err(S3Error::internal_error)?;
        let about = self.store.commit(&input.bucket, sealed, &conditions)?;
        self.changes.created("s3:ObjectCreated:Put", &input.bucket, &about);
        answer(PutObjectOutput {
            e_tag: Some(ETag::Strong(about.etag.clone())),
            ..Default::default()
        })
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> S3Answer<CopyObjectOutput> {
        let input = request.input;
        let CopySource::Bucket { bucket, key, .. } = input.copy_source else {
            return Err(s3_error!(NotImplemented));
        };
        let (source, file) = self.store.read(&bucket, &key)?;
        let conditions = Conditions {
            if_match: input.copy_source_if_match,
            if_none_match: input.copy_source_if_none_match,
        };
        conditions.check_read(&source).map_err(|_| s3_error!(PreconditionFailed))?;
        let replace =
            input.metadata_directive.is_some_and(|it| it.as_str() == MetadataDirective::REPLACE);
        let labels = match replace {
            true => Labels { content_type: input.content_type, metadata: input.metadata },
            false => source.labels.clone(),
        };
        let mut writer = self.store.writer()?;
        writer.append(file, source.size_bytes).await.map_err(S3Error::internal_error)?;
        let sealed = writer.seal(input.key, None, labels).await.map_err(S3Error::internal_error)?;
        let about = self.store.commit(&input.bucket, sealed, &Conditions::default())?;
        self.changes.created("s3:ObjectCreated:Copy", &input.bucket, &about);
        answer(CopyObjectOutput {
            copy_object_result: Some(CopyObjectResult {
                e_tag: Some(ETag::Strong(about.etag.clone())),
                last_modified: Some(about.last_modified.into()),
                ..Default::default()
            }),
            ..Default::default()
        })
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Answer<DeleteObjectOutput> {
        let input = request.input;
        let conditions = Conditions { if_match: input.if_match, if_none_match: None };
        self.store.delete(&input.bucket, &input.key, &conditions)?;
        self.changes.removed(&input.bucket, &input.key);
        answer(DeleteObjectOutput::default())
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Answer<DeleteObjectsOutput> {
        let input = request.input;
        let mut deleted = Vec::with_capacity(input.delete.objects.len());
        for object in input.delete.objects {
            self.store.delete(&input.bucket, &object.key, &Conditions::default())?;
            self.changes.removed(&input.bucket, &object.key);
            deleted.push(DeletedObject { key: Some(object.key), ..Default::default() });
        }
        let quiet = input.delete.quiet.unwrap_or(false);
        answer(DeleteObjectsOutput { deleted: (!quiet).then_some(deleted), ..Default::default() })
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Answer<CreateMultipartUploadOutput> {
        let input = request.input;
        self.store.check_bucket(&input.bucket)?;
        let labels = Labels { content_type: input.content_type, metadata: input.metadata };
        let upload_id = self.uploads.create(input.bucket.clone(), input.key.clone(), labels);
        answer(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(upload_id),
            ..Default::default()
        })
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Answer<UploadPartOutput> {
        let input = request.input;
        if !(1..=10_000).contains(&input.part_number) {
            return Err(s3_error!(InvalidArgument, "a part number must be between 1 and 10000"));
        }
        let writer = self.store.writer()?.receive(input.body).await?;
        let part = writer.into_part().await.map_err(S3Error::internal_error)?;
        let e_tag = Some(ETag::Strong(hex::encode(part.md5)));
        self.uploads.add(&input.upload_id, input.part_number, part)?;
        answer(UploadPartOutput { e_tag, ..Default::default() })
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Answer<CompleteMultipartUploadOutput> {
        let input = request.input;
        let parts = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let conditions =
            Conditions { if_match: input.if_match, if_none_match: input.if_none_match };
        let about =
            self.uploads.complete(&self.store, &input.upload_id, &parts, &conditions).await?;
        self.changes.created("s3:ObjectCreated:CompleteMultipartUpload", &input.bucket, &about);
        answer(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(about.etag.clone())),
            ..Default::default()
        })
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Answer<AbortMultipartUploadOutput> {
        self.uploads.abort(&request.input.upload_id)?;
        answer(AbortMultipartUploadOutput::default())
    }
}

fn listed(about: &ObjectInfo, key: String) -> Object {
    Object {
        key: Some(key),
        e_tag: Some(ETag::Strong(about.etag.clone())),
        last_modified: Some(about.last_modified.into()),
        size: Some(about.size_bytes as i64),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        ..Default::default()
    }
}
