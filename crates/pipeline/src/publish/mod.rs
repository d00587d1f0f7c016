//! Publishing with confirms. One task owns the publishing connection, so that delivery tags and
//! confirms cannot be mixed up between callers. That connection never consumes, because the broker
//! blocks publishers.

mod message;
mod publisher;
mod task;
mod window;

pub use message::Outgoing;
pub use publisher::Publisher;
pub use window::PublishError;
