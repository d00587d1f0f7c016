//! `[stages]`: the models and captioners that ingest publishes jobs for.

use pipeline::models::{Models, check_id};
use pipeline::stage_kind::StageKind;
use pipeline::stage_name::StageName;
use serde::Deserialize;
use service::settings::{SettingsError, list};

/// `[stages]`: which jobs an object gets.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageSettings {
    /// Ids of the embedding models. The first one is active until an operator activates another.
    #[serde(deserialize_with = "list")]
    pub models: Vec<String>,
    /// Ids of the captioners.
    #[serde(deserialize_with = "list")]
    pub captioners: Vec<String>,
}

impl StageSettings {
    /// The ids that the settings name for one kind of stage.
    pub(crate) fn ids(&self, kind: StageKind) -> &[String] {
        match kind {
            StageKind::Embed => &self.models,
            StageKind::Caption => &self.captioners,
        }
    }

    /// Every stage that the settings name: kind by kind, in the order of the settings.
    pub(crate) fn all(&self) -> Vec<StageName> {
        let of_kind = |kind| self.ids(kind).iter().map(move |id| StageName::new(kind, id));
        StageKind::ALL.into_iter().flat_map(of_kind).collect()
    }

    /// [`Self::all`] without the stages that an operator has removed.
    pub(crate) fn kept(&self, decisions: &Models) -> Vec<StageName> {
        self.all().into_iter().filter(|stage| !decisions.is_removed(stage)).collect()
    }

    /// Id of the model that answers searches: the one an operator activated, or the first one here.
    pub(crate) fn active_model<'a>(&'a self, decisions: &'a Models) -> &'a str {
        let first = self.models.first().map(String::as_str);
        decisions.active.as_deref().or(first).unwrap_or_default()
    }

    pub(super) fn validate(&self) -> Result<(), SettingsError> {
        for kind in StageKind::ALL {
            let (setting, ids) = (kind.ingest_setting(), self.ids(kind));
            if kind.answers_searches() && ids.is_empty() {
                let problem = format!("must name at least one {}", kind.noun());
                return Err(SettingsError::value(setting, problem));
            }
            for (position, id) in ids.iter().enumerate() {
                check_id(id).map_err(|error| SettingsError::value(setting, error.to_string()))?;
                if ids[..position].contains(id) {
                    return Err(SettingsError::value(setting, format!("names '{id}' twice")));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_activated_model_wins_over_the_first_one_and_removed_stages_are_left_out() {
        let settings = StageSettings {
            models: vec!["a".to_owned(), "b".to_owned()],
            captioners: vec!["c".to_owned()],
        };
        let mut decisions = Models::default();
        assert_eq!(settings.active_model(&decisions), "a");
        decisions.activate("b", "a");
        assert_eq!(settings.active_model(&decisions), "b");
        let at = jiff::Timestamp::UNIX_EPOCH;
        let removal = pipeline::models::Removal { at, drop_at: at, dropped_at: None };
        decisions.removed.insert(StageName::embed("a"), removal);
        let kept = settings.kept(&decisions);
        assert_eq!(kept, [StageName::embed("b"), StageName::caption("c")]);
    }
}
