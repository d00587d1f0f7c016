//! The names that keywords are taken from: `vocabulary/keywords.toml`, compiled in.

use std::sync::OnceLock;

use serde::Deserialize;

/// The file, parsed. Its tests hold what it promises.
const FILE: &str = include_str!("../../vocabulary/keywords.toml");

/// A name of the vocabulary, in English and in Chinese.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// In English, lower case.
    pub en: &'static str,
    /// In Chinese.
    pub zh: &'static str,
}

/// Terms that are said in one sentence and compete with each other.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub(super) name: String,
    /// Most terms of this group that one picture may carry.
    pub(super) most: usize,
    prompt_en: String,
    prompt_zh: String,
    terms: Vec<(String, String)>,
}

/// One term with the group it is in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) term: Term,
    pub(super) group: &'static Group,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vocabulary {
    group: Vec<Group>,
}

/// All terms, in the order of the file.
pub(super) fn entries() -> &'static [Entry] {
    static GROUPS: OnceLock<Vocabulary> = OnceLock::new();
    static ENTRIES: OnceLock<Vec<Entry>> = OnceLock::new();
    ENTRIES.get_or_init(|| {
        // It is part of the program: a test parses it, no user can break it.
        let groups = GROUPS.get_or_init(|| toml::from_str(FILE).unwrap_or_default());
        let of_group = |group: &'static Group| {
            group.terms.iter().map(move |(en, zh)| Entry { term: Term { en, zh }, group })
        };
        groups.group.iter().flat_map(of_group).collect()
    })
}

impl Entry {
    /// The sentence with the term, in English.
    pub(super) fn english(&self) -> String {
        let Term { en, .. } = self.term;
        let prompt = &self.group.prompt_en;
        // "a photo of an elephant"; a unicycle begins with another sound than it is written with.
        let vowel = en.starts_with(['a', 'e', 'i', 'o', 'u']) && !en.starts_with("uni");
        if vowel {
            prompt.replace("a {}", "an {}").replace("{}", en)
        } else {
            prompt.replace("{}", en)
        }
    }

    /// The sentence with the term, in Chinese.
    pub(super) fn chinese(&self) -> String {
        self.group.prompt_zh.replace("{}", self.term.zh)
    }
}

/// The term of this English or Chinese name, in any case.
pub fn term(name: &str) -> Option<Term> {
    let name = name.trim();
    let found = entries()
        .iter()
        .find(|entry| entry.term.en.eq_ignore_ascii_case(name) || entry.term.zh == name);
    found.map(|entry| entry.term)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_file_is_whole() {
        let vocabulary: Vocabulary = toml::from_str(FILE).unwrap();
        let mut names = HashSet::new();
        for Group { name, most, prompt_en, prompt_zh, terms } in &vocabulary.group {
            assert!((1..=5).contains(most) && !terms.is_empty(), "{name}");
            assert_eq!(
                (prompt_en.matches("{}").count(), prompt_zh.matches("{}").count()),
                (1, 1),
                "{name}"
            );
            for (en, zh) in terms {
                assert_eq!(
                    (en.trim(), zh.trim()),
                    (en.to_lowercase().as_str(), zh.as_str()),
                    "{name}"
                );
                assert!(names.insert(en) && names.insert(zh), "{en} {zh}");
                assert!(!zh.is_ascii() && en.is_ascii(), "{en} {zh}");
            }
        }
        assert_eq!(entries().len() * 2, names.len());
        assert!(entries().len() > 1000);
    }

    #[test]
    fn sentences_have_the_right_article() {
        let sentence =
            |name: &str| entries().iter().find(|entry| entry.term.en == name).unwrap().english();
        assert_eq!(sentence("cat"), "a photo of a cat");
        assert_eq!(sentence("elephant"), "a photo of an elephant");
        let cat = entries().iter().find(|entry| entry.term.en == "cat").unwrap();
        assert_eq!(cat.chinese(), "一张猫的照片");
    }

    #[test]
    fn terms_are_found_by_either_name() {
        let cat = Term { en: "cat", zh: "猫" };
        assert_eq!((term("Cat "), term("猫"), term("a cat")), (Some(cat), Some(cat), None));
    }
}
