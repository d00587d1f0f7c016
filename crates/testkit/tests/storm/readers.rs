//! Readers that search while the storm blows, and the check of what is visible after it.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use testkit::{Supervisor, World};

use crate::{SEARCHER, Uploaded, group};

/// What a reader saw.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) answers: usize,
    pub(crate) hits: usize,
    pub(crate) unanswered: usize,
    pub(crate) doubled: Vec<String>,
    pub(crate) bad: Vec<String>,
}

impl Seen {
    fn note(&mut self, answer: Option<Vec<(String, String)>>) {
        let Some(hits) = answer else {
            self.unanswered += 1;
            return;
        };
        self.answers += 1;
        self.hits += hits.len();
        let mut keys = BTreeSet::new();
        for (key, _) in hits {
            if key.contains("-bad-") {
                self.bad.push(key.clone());
            }
            if !keys.insert(key.clone()) {
                self.doubled.push(key);
            }
        }
    }
}

/// One answer of the searcher, `None` while it does not answer.
async fn ask(
    world: &World,
    supervisor: &Supervisor,
    words: &str,
    group: &str,
) -> Option<Vec<(String, String)>> {
    let url = format!("{}/v1/search", supervisor.base(SEARCHER)?);
    let query = [("q", words), ("top_k", "1000"), ("prefix", group)];
    let asked =
        world.http().get(url).query(&query).timeout(Duration::from_secs(20)).send().await.ok()?;
    if !asked.status().is_success() {
        return None;
    }
    let body: Value = asked.json().await.ok()?;
    let hits = body["hits"].as_array()?.iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Some(hits.map(|hit| (text(&hit["key"]), text(&hit["image_id"]))).collect())
}

pub(crate) async fn read_all_the_time(
    world: &World,
    supervisor: &Supervisor,
    groups: &[String],
    seen: &Mutex<Seen>,
) {
    let words = ["a red ball", "a blue house at night", "夕阳下的船"];
    for turn in 0usize.. {
        let answer =
            ask(world, supervisor, words[turn % words.len()], &groups[turn % groups.len()]).await;
        seen.lock().unwrap().note(answer);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until the searcher shows exactly these objects, each once and under its present identity.
pub(crate) async fn all_visible(
    world: &World,
    supervisor: &Supervisor,
    groups: &[String],
    uploaded: &Uploaded,
    limit: Duration,
) {
    for prefix in groups {
        let wanted: Vec<_> = uploaded.good.iter().filter(|(key, _)| group(key) == prefix).collect();
        let last = Mutex::new(0);
        let shown = tokio::time::timeout(limit, async {
            loop {
                if let Some(hits) =
                    ask(world, supervisor, "a red ball", &format!("{prefix}/")).await
                {
                    *last.lock().unwrap() = hits.len();
                    if hits.len() >= wanted.len() {
                        return hits;
                    }
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        })
        .await;
        let last = *last.lock().unwrap();
        let Ok(mut shown) = shown else {
            panic!(
                "{prefix}: {last} of {} objects after {limit:?}; queues: {:?}",
                wanted.len(),
                world.depths().await
            )
        };
        shown.sort();
        let wanted: Vec<_> =
            wanted.into_iter().map(|(key, id)| (key.clone(), id.clone())).collect();
        assert_eq!(
            shown, wanted,
            "{prefix}: every good object exactly once, by its present content, and nothing else"
        );
    }
}
