//! What models put around an answer: their thinking, and a Markdown code fence.

const THINKING: (&str, &str) = ("<think>", "</think>");
const FENCE: &str = "```";

/// The text without its thinking. If the thinking does not end, everything from its beginning goes.
/// If only its end is there, everything before it goes: some chat templates write the beginning
/// themselves.
pub(super) fn without_thinking(text: &str) -> &str {
    let (begin, end) = THINKING;
    let answer = text.rsplit_once(end).map_or(text, |(_, answer)| answer);
    answer.split_once(begin).map_or(answer, |(answer, _)| answer).trim()
}

/// The inside of a code fence, with or without the name of a language, if the whole text is one.
pub(super) fn without_fence(text: &str) -> &str {
    let inside = text.strip_prefix(FENCE).and_then(|rest| rest.strip_suffix(FENCE));
    let Some((language, code)) = inside.and_then(|inside| inside.split_once('\n')) else {
        return text;
    };
    let is_name = language.trim().chars().all(char::is_alphanumeric);
    if is_name && !code.contains(FENCE) { code.trim() } else { text }
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
            ("<think>a dog?", ""),
            ("a cat <think>or", "a cat"),
            ("<think></think>", ""),
        ] {
            assert_eq!(without_thinking(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_fence_goes_if_it_holds_the_whole_text() {
        for (text, wanted) in [
            ("```json\n{\"a\": 1}\n```", "{\"a\": 1}"),
            ("```\nA cat.\n```", "A cat."),
            ("```json\n```", ""),
            ("A cat.", "A cat."),
        ] {
            assert_eq!(without_fence(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_fence_beside_other_text_stays() {
        for text in [
            "```json\n{}\n```\nEnjoy!",
            "Here it is:\n```json\n{}\n```",
            "```json\n{}",
            "```\nA\n```\nor\n```\nB\n```",
            "```",
            "``````",
        ] {
            assert_eq!(without_fence(text), text);
        }
    }
}
