//! The bucket with the originals. Only this folder, [`listen`](crate::listen) and
//! [`inspect`](crate::inspect) use `aws-sdk-s3`.

mod client;
mod error;
mod presign;
mod read;
mod settings;
mod write;

pub use client::Bucket;
pub use error::BucketError;
pub(crate) use error::status;
pub use presign::ServedAs;
pub use read::{Fetched, Page};
pub use settings::BucketSettings;
pub use write::Only;
