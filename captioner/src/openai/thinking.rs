//! What models think aloud before they answer.

const TAGS: &[(&str, &str)] =
    &[("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<reasoning>", "</reasoning>")];

/// The text without its thinking. Where the thinking never ends, nothing is left from there on: it
/// is no answer. Where only its end is there, everything before is thinking: some chat templates
/// begin it themselves.
pub(super) fn without_thinking(text: &str) -> String {
    let mut answer = text.to_owned();
    for (begin, end) in TAGS {
        if let Some(place) = answer.rfind(end) {
            let first = answer.find(begin).filter(|first| *first < place).unwrap_or(0);
            answer.replace_range(first..place + end.len(), " ");
        }
        if let Some(place) = answer.find(begin) {
            answer.truncate(place);
        }
    }
    answer.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_is_left() {
        for (text, wanted) in [
            ("a cat", "a cat"),
            ("<think>a dog?</think>\n\na cat", "a cat"),
            ("a dog? no.\n</think>a cat", "a cat"),
            ("<think>a</think><think>b</think>a cat", "a cat"),
            ("<thinking>a dog?", ""),
            ("a cat <think>or", "a cat"),
            ("<think></think>", ""),
        ] {
            assert_eq!(without_thinking(text), wanted, "{text}");
        }
    }
}
