//! Selecting dead letters.

use globset::{GlobBuilder, GlobMatcher};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::group::group_id;
use super::letter::DeadLetter;
use crate::excerpt;
use crate::stage_name::StageName;

/// Conditions on dead letters; all given ones must hold.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Of this stage.
    pub stage: Option<StageName>,
    /// With this class.
    pub class: Option<String>,
    /// Of objects whose key matches; see [`key_glob`].
    pub key: Option<GlobMatcher>,
    /// Whose last failure was at or after this time; see [`since`]. Letters without a time do not
    /// match.
    pub since: Option<Timestamp>,
    /// Of this group ([`super::Group::id`]).
    pub group: Option<String>,
    /// With one of these message ids, which may be shortened to their first eight digits or more;
    /// empty: any.
    pub ids: Vec<String>,
    /// At most so many, oldest first. [`Self::matches`] does not look at it.
    pub limit: Option<usize>,
}

/// A condition cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SelectionError {
    /// A glob that does not parse.
    #[error("is not a glob: {0}")]
    Glob(#[from] globset::Error),
    /// Neither a time nor a duration.
    #[error(
        "'{0}' is neither a time (2026-07-01, 2026-07-01T12:00:00Z) nor how long ago (90m, 2h, 3d)"
    )]
    Time(String),
}

/// Reads a glob over object keys: `*` stays within one path level, `**` does not.
///
/// # Errors
/// It does not parse.
pub fn key_glob(pattern: &str) -> Result<GlobMatcher, SelectionError> {
    Ok(GlobBuilder::new(pattern).literal_separator(true).build()?.compile_matcher())
}

/// Reads a time, a day (its start in UTC) or a duration before `now`.
///
/// # Errors
/// It is none of these.
pub fn since(text: &str, now: Timestamp) -> Result<Timestamp, SelectionError> {
    let unreadable = || SelectionError::Time(excerpt::chars(text, 64));
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(day) = text.parse::<Date>() {
        return day
            .to_zoned(TimeZone::UTC)
            .map(|begin| begin.timestamp())
            .map_err(|_| unreadable());
    }
    let ago: Span = text.parse().map_err(|_| unreadable())?;
    if ago.is_negative() {
        return Err(unreadable());
    }
    now.to_zoned(TimeZone::UTC)
        .checked_sub(ago)
        .map(|then| then.timestamp())
        .map_err(|_| unreadable())
}

impl Selection {
    /// Whether all conditions but [`Self::limit`] hold.
    pub fn matches(&self, letter: &DeadLetter) -> bool {
        let key = letter.object.as_ref().map(|object| object.key.as_str());
        self.stage.as_ref().is_none_or(|stage| *stage == letter.stage)
            && self.class.as_ref().is_none_or(|class| *class == letter.class)
            && self.key.as_ref().is_none_or(|glob| key.is_some_and(|key| glob.is_match(key)))
            && self.since.is_none_or(|since| letter.last_failed.is_some_and(|last| last >= since))
            && self.group.as_ref().is_none_or(|group| *group == group_id(letter))
            && (self.ids.is_empty() || self.ids.iter().any(|id| id_matches(id, &letter.message_id)))
    }

    /// The letters for which all conditions hold, limit included.
    pub fn of<'a>(&self, letters: impl IntoIterator<Item = &'a DeadLetter>) -> Vec<&'a DeadLetter> {
        letters
            .into_iter()
            .filter(|letter| self.matches(letter))
            .take(self.limit.unwrap_or(usize::MAX))
            .collect()
    }
}

fn id_matches(id: &str, message_id: &str) -> bool {
    id == message_id || (id.len() >= 8 && message_id.starts_with(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_a_day_and_how_long_ago_are_understood() {
        let now: Timestamp = "2026-07-10T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-07-01T01:02:03Z", "2026-07-01T01:02:03Z"),
            ("2026-07-01", "2026-07-01T00:00:00Z"),
            ("2h", "2026-07-10T10:00:00Z"),
            ("90m", "2026-07-10T10:30:00Z"),
            ("3d", "2026-07-07T12:00:00Z"),
        ] {
            assert_eq!(since(text, now).unwrap().to_string(), expected, "{text}");
        }
        for text in ["", "soon", "-2h", "2026-13-01", "99999999999y"] {
            assert!(since(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn a_star_stays_within_one_level() {
        let glob = key_glob("2025/*.jpg").unwrap();
        assert!(glob.is_match("2025/a b.jpg") && !glob.is_match("2025/07/a.jpg"));
        assert!(key_glob("2025/**").unwrap().is_match("2025/07/a.jpg"));
        assert!(key_glob("a[").is_err());
    }

    #[test]
    fn a_short_id_needs_eight_digits() {
        assert!(id_matches("0123456789", "0123456789abcdef") && id_matches("short", "short"));
        assert!(!id_matches("0123456", "0123456789abcdef") && !id_matches("", "0123456789abcdef"));
    }
}
