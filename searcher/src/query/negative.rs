//! Words with a minus before them, which no hit may say: `beach -night`, `海滩 -夜晚`.

/// What is wanted, and the words that are not. A minus inside a word (`t-shirt`) or before a space
/// is none, and neither is one before a number (`-5`), which is a temperature.
pub(super) fn split(text: &str) -> (String, Vec<String>) {
    let is_unwanted = |word: &&str| {
        word.strip_prefix('-').is_some_and(|rest| rest.starts_with(char::is_alphabetic))
    };
    let (unwanted, wanted): (Vec<&str>, Vec<&str>) = text.split_whitespace().partition(is_unwanted);
    let unwanted =
        unwanted.into_iter().map(|word| word.trim_start_matches('-').to_owned()).collect();
    (wanted.join(" "), unwanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minus_before_a_word_makes_it_unwanted() {
        let of = |text| {
            let (wanted, unwanted) = split(text);
            (wanted, unwanted.join("|"))
        };
        assert_eq!(of("red car -night"), ("red car".into(), "night".into()));
        assert_eq!(of("海滩 -夜晚 -船"), ("海滩".into(), "夜晚|船".into()));
        for text in ["t-shirt", "winter - snow", "-5 degrees", "a -- b", "-"] {
            assert_eq!(of(text), (text.into(), String::new()), "{text}");
        }
        assert_eq!(of("-night"), (String::new(), "night".into()));
    }
}
