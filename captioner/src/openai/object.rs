//! JSON objects in what a model writes: in fences, between sentences, with small mistakes.

use serde_json::{Map, Value};

/// Braces that are tried, so that an answer full of them costs no more than a look at each.
const MOST_TRIED: usize = 50;

/// The last object that `wanted` accepts: what comes before it is often an example or a draft.
pub(super) fn last_object(
    text: &str,
    wanted: impl Fn(&Map<String, Value>) -> bool,
) -> Option<Map<String, Value>> {
    let mut found = None;
    let mut from = 0;
    for _ in 0..MOST_TRIED {
        let Some(begin) =
            text.get(from..).and_then(|rest| rest.find('{')).map(|place| from + place)
        else {
            break;
        };
        from = begin + 1;
        let Some(length) = text.get(begin..).and_then(length) else { continue };
        let Some(object) = text.get(begin..begin + length).and_then(parse) else { continue };
        if wanted(&object) {
            found = Some(object);
            from = begin + length;
        }
    }
    found
}

/// Length of the object at the beginning, up to the brace that closes it.
fn length(text: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' if !quoted => depth += 1,
            b'}' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return Some(place + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn parse(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(text).or_else(|_| serde_json::from_str(&repaired(text))).ok()
}

/// Without commas before a closing bracket, and with line ends in strings as JSON writes them.
fn repaired(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut quoted, mut escaped) = (false, false);
    for character in text.chars() {
        match character {
            '\n' if quoted => out.push_str("\\n"),
            '\r' if quoted => {}
            '\t' if quoted => out.push(' '),
            '}' | ']' if !quoted => {
                out.truncate(out.trim_end().trim_end_matches(',').len());
                out.push(character);
            }
            _ => out.push(character),
        }
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caption(text: &str) -> Option<String> {
        last_object(text, |object| object.contains_key("c")).map(|object| object["c"].to_string())
    }

    #[test]
    fn objects_are_found_wherever_they_are() {
        for (text, wanted) in [
            (r#"{"c": 1}"#, "1"),
            ("```json\n{\"c\": 1}\n```", "1"),
            (r#"Here {it} is: {"c": 1} Enjoy {it}!"#, "1"),
            (r#"{"c": 1} or rather {"c": 2}"#, "2"),
            (r#"{"result": {"c": 1}}"#, "1"),
            (r#"[{"c": 1}]"#, "1"),
            (r#"{"c": "a } brace and a \" quote"}"#, r#""a } brace and a \" quote""#),
            (r#"{"c": [1, 2, ], }"#, "[1,2]"),
            ("{\"c\": \"two\nlines, \"}", r#""two\nlines, ""#),
            (r#"{"c": "猫"}"#, r#""猫""#),
        ] {
            assert_eq!(caption(text).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_none() {
        for text in ["", "a cat", "{", "{}", r#"{"c": 1"#, r#"{"d": 1}"#, "}{", r#"{"c" 1}"#] {
            assert_eq!(caption(text), None, "{text}");
        }
    }

    #[test]
    fn many_braces_cost_little() {
        let begun = std::time::Instant::now();
        assert_eq!(caption(&"{".repeat(1 << 16)), None);
        assert_eq!(caption(&"{\"a\":".repeat(1 << 14)), None);
        assert!(begun.elapsed().as_secs() < 2);
    }
}
