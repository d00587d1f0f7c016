//! The one form of a keyword, in tables and in filters.

use unicode_normalization::UnicodeNormalization;

/// A keyword as tables hold it: in Unicode's compatibility form (NFKC) and in lower case, without
/// space around it. So `T恤`, `Ｔ恤` and ` t恤 ` are one keyword. Its own form is the same.
pub fn normalised(keyword: &str) -> String {
    // Some lower-case letters have a compatibility form of their own.
    let lower = keyword.nfkc().collect::<String>().to_lowercase();
    lower.nfkc().collect::<String>().trim().to_owned()
}

/// These keywords in the one form, each once, without empty ones, in their order.
pub(crate) fn each_once<'a>(keywords: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let mut once = Vec::new();
    for keyword in keywords {
        let keyword = normalised(keyword);
        if !keyword.is_empty() && !once.contains(&keyword) {
            once.push(keyword);
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_keyword_are_one() {
        for spelling in ["T恤", "Ｔ恤", " t恤 ", "\u{3000}t恤\n"] {
            assert_eq!(normalised(spelling), "t恤", "{spelling}");
        }
        assert_eq!(normalised("ＣＡＦE\u{301}"), "café");
        assert_eq!(normalised("ﬁre"), "fire");
        for empty in ["", " ", "\u{3000}", "\u{a0}"] {
            assert!(normalised(empty).is_empty(), "{empty:?}");
        }
        let keywords = ["Car", "car ", "", " ", "ｃａｒ", "cat"].map(String::from);
        assert_eq!(each_once(&keywords), ["car", "cat"]);
    }

    #[test]
    fn the_form_of_a_form_is_the_same() {
        // Beyond, characters have no other forms.
        for character in '\0'..='\u{2ffff}' {
            let form = normalised(&format!("a{character}b"));
            assert_eq!(normalised(&form), form, "{character:?}");
        }
    }
}
