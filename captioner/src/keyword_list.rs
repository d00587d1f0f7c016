//! The keywords of one picture while they are collected.

use inference::keywords::Term;

/// Keywords, each once, in lower case, at most so many terms.
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
        self.add(names.map(str::to_owned).collect());
    }

    /// Adds a word of the provider.
    pub(crate) fn add_word(&mut self, word: &str) {
        let word = word.trim().to_lowercase();
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
    use super::*;

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
