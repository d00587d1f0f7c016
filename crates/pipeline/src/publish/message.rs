//! A message on its way to the broker.

use lapin::types::FieldTable;

use crate::headers;
use crate::job::{Job, Origin};
use crate::topology::Topology;

/// A message on its way to the broker.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Exchange; empty for the default one, whose routing keys are queue names.
    pub exchange: String,
    /// Routing key.
    pub routing_key: String,
    /// Identity, by which a returned message is recognised.
    pub message_id: String,
    /// Body.
    pub body: Vec<u8>,
    /// Our own `bl-*` headers. Broker `x-*` headers are never forwarded: a kept `x-death` can lose
    /// the message later.
    pub headers: FieldTable,
}

impl Outgoing {
    /// A fresh job for its stage: sweep and replay traffic goes to the bulk queue, everything else
    /// to the work queue.
    pub fn job(topology: &Topology, job: &Job) -> Self {
        let routing_key = match job.origin {
            Origin::Event | Origin::Watch | Origin::Api => job.stage.as_str().to_owned(),
            Origin::Sweep | Origin::Replay => Topology::bulk_key(&job.stage),
        };
        let mut headers = FieldTable::default();
        headers::set_number(&mut headers, headers::ATTEMPT, 0);
        headers::set_text(&mut headers, headers::ORIGIN, job.origin.as_str());
        Self {
            exchange: topology.work_exchange(),
            routing_key,
            message_id: job.message_id(),
            body: job.encode(),
            headers,
        }
    }
}
