//! The vocabulary of all keywords: `vocabulary/keywords.toml`, compiled in.

use std::sync::OnceLock;

use serde::Deserialize;

/// The text of the vocabulary. A test checks its rules.
const FILE: &str = include_str!("../../vocabulary/keywords.toml");

/// A term of the vocabulary, in English and in Chinese.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// In English, lower case.
    pub en: &'static str,
    /// In Chinese.
    pub zh: &'static str,
}

/// Terms that share a sentence and compete with each other.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TermGroup {
    pub(super) name: String,
    /// Greatest number of terms of this group for one picture.
    pub(super) most: usize,
    prompt_en: String,
    prompt_zh: String,
    terms: Vec<(String, String)>,
}

/// A term with its group.
#[derive(Debug, Clone, Copy)]
pub(super) struct GroupedTerm {
    pub(super) term: Term,
    pub(super) group: &'static TermGroup,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vocabulary {
    group: Vec<TermGroup>,
}

/// All terms, in the order of the file.
pub(super) fn grouped_terms() -> &'static [GroupedTerm] {
    static GROUPS: OnceLock<Vocabulary> = OnceLock::new();
    static ENTRIES: OnceLock<Vec<GroupedTerm>> = OnceLock::new();
    ENTRIES.get_or_init(|| {
        // The text is compiled in and a test parses it, so this cannot fail for a user.
        let groups = GROUPS.get_or_init(|| toml::from_str(FILE).unwrap_or_default());
        let of_group = |group: &'static TermGroup| {
            group.terms.iter().map(move |(en, zh)| GroupedTerm { term: Term { en, zh }, group })
        };
        groups.group.iter().flat_map(of_group).collect()
    })
}

impl GroupedTerm {
    /// The sentence with the term, in English.
    pub(super) fn english(&self) -> String {
        let Term { en, .. } = self.term;
        let prompt = &self.group.prompt_en;
        // "An elephant", but "a unicycle", which begins with the sound of a consonant.
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

/// The term with this English or Chinese name, in upper or lower case.
pub fn term(name: &str) -> Option<Term> {
    let name = name.trim();
    let found = grouped_terms()
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
        for TermGroup { name, most, prompt_en, prompt_zh, terms } in &vocabulary.group {
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
        assert_eq!(grouped_terms().len() * 2, names.len());
        assert!(grouped_terms().len() > 1000);
    }

    #[test]
    fn sentences_have_the_right_article() {
        let sentence = |name: &str| {
            grouped_terms().iter().find(|entry| entry.term.en == name).unwrap().english()
        };
        assert_eq!(sentence("cat"), "a photo of a cat");
        assert_eq!(sentence("elephant"), "a photo of an elephant");
        let cat = grouped_terms().iter().find(|entry| entry.term.en == "cat").unwrap();
        assert_eq!(cat.chinese(), "一张猫的照片");
    }

    #[test]
    fn terms_are_found_by_either_name() {
        let cat = Term { en: "cat", zh: "猫" };
        assert_eq!((term("Cat "), term("猫"), term("a cat")), (Some(cat), Some(cat), None));
    }
}
