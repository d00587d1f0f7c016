//! Words with a minus before them, which no hit may contain: `beach -night`, `海滩 -夜晚`.

/// Splits a text into the wanted words and the excluded ones. A minus inside a word (`t-shirt`),
/// before a space or before a number (`-5`, a temperature) excludes nothing.
pub(super) fn split(text: &str) -> (String, Vec<String>) {
    let is_excluded = |word: &&str| {
        word.strip_prefix('-').is_some_and(|rest| rest.starts_with(char::is_alphabetic))
    };
    let (excluded, wanted): (Vec<&str>, Vec<&str>) = text.split_whitespace().partition(is_excluded);
    let excluded =
        excluded.into_iter().map(|word| word.trim_start_matches('-').to_owned()).collect();
    (wanted.join(" "), excluded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minus_before_a_word_makes_it_unwanted() {
        let of = |text| {
            let (wanted, excluded) = split(text);
            (wanted, excluded.join("|"))
        };
        assert_eq!(of("red car -night"), ("red car".into(), "night".into()));
        assert_eq!(of("海滩 -夜晚 -船"), ("海滩".into(), "夜晚|船".into()));
        for text in ["t-shirt", "winter - snow", "-5 degrees", "a -- b", "-"] {
            assert_eq!(of(text), (text.into(), String::new()), "{text}");
        }
        assert_eq!(of("-night"), (String::new(), "night".into()));
    }
}
