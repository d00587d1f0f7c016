//! Dead letters that failed alike.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;

use super::letter::DeadLetter;
use crate::stage_name::StageName;

/// Letters of one stage and class whose reasons differ only in names and numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Identity of the group; the same failures always have the same identity.
    pub id: String,
    /// The stage whose jobs they were.
    pub stage: StageName,
    /// Stable code of the failure.
    pub class: String,
    /// The failure in words, with `…` for names and `#` for numbers.
    pub reason: String,
    /// How many letters.
    pub count: usize,
    /// How many of them had been replayed before and died again.
    pub replayed: usize,
    /// Time of the earliest first failure.
    pub first_failed: Option<Timestamp>,
    /// Time of the latest failure.
    pub last_failed: Option<Timestamp>,
    /// Key of one of the objects.
    pub sample_key: Option<String>,
    /// Message id of that letter.
    pub sample_id: String,
}

/// The groups, largest first.
pub fn groups<'a>(letters: impl IntoIterator<Item = &'a DeadLetter>) -> Vec<Group> {
    let mut groups: HashMap<String, Group> = HashMap::new();
    for letter in letters {
        let reason = blanked(letter);
        let id = id(&letter.stage, &letter.class, &reason);
        let group = groups.entry(id.clone()).or_insert_with(|| Group {
            id,
            stage: letter.stage.clone(),
            class: letter.class.clone(),
            reason,
            count: 0,
            replayed: 0,
            first_failed: None,
            last_failed: None,
            sample_key: letter.object.as_ref().map(|object| object.key.clone()),
            sample_id: letter.message_id.clone(),
        });
        group.count += 1;
        group.replayed += usize::from(letter.replays > 0);
        group.first_failed = group.first_failed.into_iter().chain(letter.first_failed).min();
        group.last_failed = group.last_failed.into_iter().chain(letter.last_failed).max();
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.id.cmp(&b.id)));
    groups
}

/// Identity of the letter's group.
pub(super) fn group_id(letter: &DeadLetter) -> String {
    id(&letter.stage, &letter.class, &blanked(letter))
}

fn id(stage: &StageName, class: &str, reason: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in [stage.as_str(), class, reason] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex()[..12].to_owned()
}

fn blanked(letter: &DeadLetter) -> String {
    // Keys may hold spaces and quotes, so the letter's own names are replaced first, while they are
    // still whole.
    let mut reason = letter.reason.clone();
    if let Some(object) = &letter.object {
        for name in [object.to_string().as_str(), &object.key, &object.etag] {
            if name.len() > 2 {
                reason = reason.replace(name, "…");
            }
        }
    }
    blank(&reason)
}

/// Replaces quoted text, paths and long hex numbers by `…` and other numbers by `#`.
fn blank(text: &str) -> String {
    let words: Vec<String> = unquoted(text).split_whitespace().map(blank_word).collect();
    words.join(" ")
}

// An apostrophe within a word is no quote.
fn unquoted(text: &str) -> String {
    let (mut out, mut rest, mut before) = (String::with_capacity(text.len()), text, ' ');
    while let Some(c) = rest.chars().next() {
        let inside = &rest[c.len_utf8()..];
        if matches!(c, '\'' | '"' | '`')
            && !before.is_alphanumeric()
            && let Some(end) = closing(inside, c)
        {
            out.push('…');
            rest = &inside[end + c.len_utf8()..];
            before = c;
            continue;
        }
        out.push(c);
        before = c;
        rest = inside;
    }
    out
}

fn closing(text: &str, quote: char) -> Option<usize> {
    text.match_indices(quote).map(|(at, _)| at).find(|at| {
        let after = text[at + quote.len_utf8()..].chars().next();
        after.is_none_or(|c| !c.is_alphanumeric())
    })
}

fn blank_word(word: &str) -> String {
    let core = word.trim_matches(|c: char| {
        matches!(c, '(' | ')' | '[' | ']' | ',' | ';' | ':' | '.' | '!' | '?')
    });
    let digits = core.bytes().filter(u8::is_ascii_digit).count();
    let hex = core.len() >= 8
        && core.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
        && (1..core.len()).contains(&digits);
    if !core.is_empty() && (hex || core.contains('/')) {
        return word.replace(core, "…");
    }
    let mut out = String::with_capacity(word.len());
    for c in word.chars() {
        if !c.is_ascii_digit() {
            out.push(c);
        } else if !out.ends_with('#') {
            out.push('#');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_blanked_words_are_not() {
        for (text, expected) in [
            (
                "the picture has 40000 × 40000 pixels, more than 100000000",
                "the picture has # × # pixels, more than #",
            ),
            ("GET pictures/a/b.jpg: the store answered 503", "GET …: the store answered #"),
            (
                "no object 'my cat's photo 7.jpg' in \"b\", couldn't read",
                "no object … in …, couldn't read",
            ),
            ("content 0123456789abcdef (9f86d081-884c-7d65)", "content … (…)"),
            ("it isn't and wasn't", "it isn't and wasn't"),
            ("deadline, facade, defaced", "deadline, facade, defaced"),
            ("took 1.5s at 12:30", "took #.#s at #:#"),
            ("'unclosed", "'unclosed"),
            ("", ""),
        ] {
            assert_eq!(blank(text), expected);
        }
    }
}
