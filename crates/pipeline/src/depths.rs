//! How much waits in the queues, for status pages.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use lapin::Connection;
use tokio::sync::Mutex;

use crate::connection::{self, AmqpSettings, BrokerError};
use crate::stage_name::StageName;
use crate::topology::{Depths, Topology};

// Many people may ask every few seconds.
const REUSE: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(3);

/// Asks the broker over one connection, made when first needed and replaced when it breaks.
#[derive(Debug)]
pub struct QueueDepths {
    settings: AmqpSettings,
    cache: Mutex<DepthCache>,
}

#[derive(Debug, Default)]
struct DepthCache {
    connection: Option<Connection>,
    seen: HashMap<StageName, (Depths, Instant)>,
}

impl QueueDepths {
    /// Makes no request.
    pub fn new(settings: AmqpSettings) -> Self {
        Self { settings, cache: Mutex::default() }
    }

    /// Number of messages in the queues of a stage, at most a second old.
    ///
    /// # Errors
    /// The broker did not answer within three seconds.
    pub async fn depths(&self, stage: &StageName) -> Result<Depths, BrokerError> {
        let mut cache = self.cache.lock().await;
        if let Some((depths, at)) = cache.seen.get(stage)
            && at.elapsed() < REUSE
        {
            return Ok(*depths);
        }
        let asked = tokio::time::timeout(LIMIT, self.ask(&mut cache.connection, stage)).await;
        let asked =
            asked.unwrap_or_else(|_| Err(BrokerError::Lost(format!("no answer within {LIMIT:?}"))));
        match &asked {
            Ok(depths) => drop(cache.seen.insert(stage.clone(), (*depths, Instant::now()))),
            Err(_) => cache.connection = None,
        }
        asked
    }

    async fn ask(
        &self,
        connection: &mut Option<Connection>,
        stage: &StageName,
    ) -> Result<Depths, BrokerError> {
        let live = match connection.take().filter(|connection| connection.status().connected()) {
            Some(live) => live,
            None => connection::connect(&self.settings, "status").await?,
        };
        let depths = Topology::new(&self.settings.namespace).depths(&live, stage).await?;
        *connection = Some(live);
        Ok(depths)
    }
}
