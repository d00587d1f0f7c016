//! What a caption quotes: the words on a sign, a cover or a shirt. They may be in another language
//! and in the first person, which a caption itself may not.

/// Marks that begin and end a quotation.
const MARKS: &[(char, char)] =
    &[('"', '"'), ('“', '”'), ('„', '“'), ('«', '»'), ('「', '」'), ('『', '』'), ('《', '》')];

/// The text with a space in the place of every quotation. A mark that is not closed is kept.
pub(super) fn without_quotations(text: &str) -> String {
    let mut outside = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = around_quotation(rest) {
        outside.push_str(before);
        outside.push(' ');
        rest = after;
    }
    outside.push_str(rest);
    outside
}

/// The text before and after the first quotation.
fn around_quotation(text: &str) -> Option<(&str, &str)> {
    text.char_indices().find_map(|(place, mark)| {
        let (_, end) = MARKS.iter().find(|(begin, _)| *begin == mark)?;
        let (before, rest) = text.split_at_checked(place)?;
        let (_, after) = rest.strip_prefix(mark)?.split_once(*end)?;
        Some((before, after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotations_go_and_open_marks_stay() {
        for (text, wanted) in [
            ("A cat.", "A cat."),
            ("A sign \"I love\" it.", "A sign   it."),
            ("“a”“b” c", "   c"),
            ("写着「我」和《我们》的书", "写着 和 的书"),
            ("a „b“ c", "a   c"),
            ("a 5\" nail and “b", "a 5\" nail and “b"),
            ("“a 「b」 c", "“a   c"),
            ("\"", "\""),
            ("", ""),
        ] {
            assert_eq!(without_quotations(text), wanted, "{text}");
        }
    }
}
