//! The keywords of one picture while they are collected.

use inference::keywords::Term;
use table::keyword::normalised;

/// Keywords in the form that tables hold, each once, at most so many terms.
pub(crate) struct KeywordList {
    most: usize,
    english: bool,
    chinese: bool,
    terms: usize,
    words: Vec<String>,
}

impl KeywordList {
    /// `most` terms, each in the languages asked for.
    pub(crate) fn new(most: usize, english: bool, chinese: bool) -> Self {
        Self { most, english, chinese, terms: 0, words: Vec::new() }
    }

    /// Adds a term of the vocabulary. In several languages it counts once.
    pub(crate) fn add_term(&mut self, Term { en, zh }: Term) {
        let names = [(self.english, en), (self.chinese, zh)]
            .into_iter()
            .filter(|(asked, _)| *asked)
            .map(|(_, name)| name);
        self.add(names.map(normalised).collect());
    }

    /// Adds a word of the provider.
    pub(crate) fn add_word(&mut self, word: &str) {
        let word = normalised(word);
        if !word.is_empty() {
            self.add(vec![word]);
        }
    }

    pub(crate) fn into_words(self) -> Vec<String> {
        self.words
    }

    fn add(&mut self, names: Vec<String>) {
        let new: Vec<_> = names.into_iter().filter(|name| !self.words.contains(name)).collect();
        if self.terms < self.most && !new.is_empty() {
            self.terms += 1;
            self.words.extend(new);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use inference::keywords::term;

    use super::*;

    /// The text of the vocabulary, whose lines of terms are `["English", "Chinese"],`.
    const VOCABULARY: &str = include_str!("../../crates/inference/vocabulary/keywords.toml");

    #[test]
    fn every_term_is_stored_as_a_filter_asks_for_it() {
        let names = VOCABULARY.lines().filter_map(|line| line.trim().strip_prefix("[\""));
        let terms: Vec<_> =
            names.map(|line| term(line.split('"').next().unwrap()).unwrap()).collect();
        assert!(terms.len() > 1000);
        let mut all = BTreeSet::new();
        for Term { en, zh } in terms {
            let mut found = KeywordList::new(1, true, true);
            found.add_term(Term { en, zh });
            // A word that the provider spells like the vocabulary is no keyword of its own.
            found.add_word(zh);
            let words = found.into_words();
            assert_eq!(words, [normalised(en), normalised(zh)]);
            assert!(words.into_iter().all(|word| all.insert(word)), "{en}, {zh}: not the only one");
        }
        assert!(all.contains("t恤") && all.contains("x光片"));
    }

    #[test]
    fn each_keyword_is_there_once_and_no_more_terms_than_asked() {
        let mut found = KeywordList::new(3, true, true);
        let (cat, car) = (Term { en: "cat", zh: "猫" }, Term { en: "car", zh: "汽车" });
        found.add_term(cat);
        found.add_word(" Cat ");
        found.add_word("");
        found.add_word("whiskers");
        found.add_term(cat);
        found.add_term(car);
        found.add_word("too many");
        assert_eq!(found.into_words(), ["cat", "猫", "whiskers", "car", "汽车"]);
    }
}
