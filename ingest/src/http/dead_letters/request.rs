//! What requests about dead letters say.

use std::collections::HashMap;

use jiff::Timestamp;
use pipeline::dead::{self, Selection};
use pipeline::stage_name::StageName;
use serde::Deserialize;
use service::http::problem::{Problem, read_json};
use utoipa::{IntoParams, ToSchema};

use crate::http::answer::wrong_field;
use crate::operate::dead_letters::check_rate;
use crate::operate::stages;

const MOST_IDS: usize = 1000;
const SHORTEST_ID: usize = 8;

/// Which letters, and how they are moved. Conditions are combined: all given ones must hold.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MoveRequest {
    /// Of this stage; needed where there are several.
    stage: Option<String>,
    /// With this class.
    class: Option<String>,
    /// Of objects whose key matches this glob.
    key: Option<String>,
    /// Failed last at or after this time, or not longer ago than this: `2026-07-01`, `2h`.
    since: Option<String>,
    /// Of the group with this id.
    group: Option<String>,
    /// With one of these message ids, or one that begins with these eight digits or more.
    ids: Vec<String>,
    /// At most so many, oldest first.
    pub(super) limit: Option<usize>,
    /// All letters. Needed where no condition is given.
    all: bool,
    /// Letters per second; without it as fast as the broker takes them.
    pub(super) rate: Option<f64>,
    /// Change nothing; answer how many letters are meant.
    pub(super) dry_run: bool,
}

/// Which letters. All given conditions must hold.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what MoveRequest::from_query reads")]
pub(super) struct LetterQuery {
    /// Of this stage.
    stage: Option<String>,
    /// With this class.
    class: Option<String>,
    /// Of objects whose key matches this glob.
    key: Option<String>,
    /// Failed last at or after this time, or not longer ago than this: `2026-07-01`, `2h`.
    since: Option<String>,
    /// Of the group with this id.
    group: Option<String>,
    /// At most so many, oldest first.
    limit: Option<usize>,
}

impl MoveRequest {
    pub(super) fn of_letter(id: String) -> Self {
        Self { ids: vec![id], ..Self::default() }
    }

    pub(super) fn from_query(query: HashMap<String, String>) -> Result<Self, Problem> {
        let mut request = Self::default();
        for (name, value) in query {
            match name.as_str() {
                "stage" => request.stage = Some(value),
                "class" => request.class = Some(value),
                "key" => request.key = Some(value),
                "since" => request.since = Some(value),
                "group" => request.group = Some(value),
                "limit" => {
                    let limit = value.parse().map_err(|error| Problem::field("limit", error))?;
                    request.limit = Some(limit);
                }
                _ => return Err(Problem::field(name, "is not a field of this request")),
            }
        }
        Ok(request)
    }

    pub(super) fn from_json(bytes: &[u8]) -> Result<Self, Problem> {
        read_json(bytes, "")
    }

    pub(super) fn selection(&self, known: &[StageName]) -> Result<Selection, Problem> {
        if self.ids.len() > MOST_IDS {
            return Err(Problem::field("ids", format!("must have at most {MOST_IDS} entries")));
        }
        if self.ids.iter().any(|id| id.len() < SHORTEST_ID) {
            return Err(Problem::field(
                "ids",
                format!("must be message ids, or the first {SHORTEST_ID} digits of them or more"),
            ));
        }
        let stage = self
            .stage
            .as_deref()
            .map(|name| stages::named(known, name))
            .transpose()
            .map_err(wrong_field)?;
        let key = self
            .key
            .as_deref()
            .map(dead::key_glob)
            .transpose()
            .map_err(|error| Problem::field("key", error))?;
        let since =
            self.since.as_deref().map(|text| dead::since(text, Timestamp::now())).transpose();
        let since = since.map_err(|error| Problem::field("since", error))?;
        let (class, group, ids) = (self.class.clone(), self.group.clone(), self.ids.clone());
        Ok(Selection { stage, class, key, since, group, ids, limit: self.limit })
    }

    /// Letters are moved only if the request says which, even if it means all.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let given = [&self.stage, &self.class, &self.key, &self.since, &self.group]
            .iter()
            .any(|field| field.is_some());
        if !given && self.ids.is_empty() && !self.all {
            return Err(Problem::field(
                "all",
                "say which letters are meant, or that all are: \"all\": true",
            ));
        }
        self.rate.map_or(Ok(0.0), check_rate).map_err(|error| Problem::field("rate", error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(json: &str) -> String {
        let problem = MoveRequest::from_json(json.as_bytes()).and_then(|ask| {
            ask.check()?;
            ask.selection(&[StageName::embed("demo-clip")]).map(|_| ())
        });
        format!("{:?}", problem.expect_err(json))
    }

    #[test]
    fn whatever_is_wrong_names_its_field() {
        for (json, field) in [
            ("{}", "all"),
            (r#"{"limit":3}"#, "all"),
            (r#"{"stage":"caption"}"#, "stage"),
            (r#"{"key":"a["}"#, "key"),
            (r#"{"since":"soon"}"#, "since"),
            (r#"{"ids":["abc"]}"#, "ids"),
            (r#"{"all":true,"limit":-1}"#, "limit"),
            (r#"{"all":true,"rate":0}"#, "rate"),
            (r#"{"all":true,"rate":1e9}"#, "rate"),
            (r#"{"all":true,"dry_run":"yes"}"#, "dry_run"),
            (r#"{"classes":"x"}"#, "classes"),
            ("nonsense", "body"),
            (r#"{"all":true} more"#, "body"),
        ] {
            assert!(
                wrong(json).contains(&format!("field: Some({field:?})")),
                "{json}: {}",
                wrong(json)
            );
        }
        assert!(MoveRequest::from_query([("rate".to_owned(), "1".to_owned())].into()).is_err());
    }
}
