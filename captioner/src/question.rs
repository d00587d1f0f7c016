//! What is asked of whoever describes pictures. Another question makes other captions, so its hash
//! stands in every row.

use pipeline::question::Question;

// Enough to tell questions apart, short enough to be compared by eye.
const DIGITS: usize = 16;

/// The question of these words to this provider: model or its version, prompt, languages, longest
/// length.
pub(crate) fn question(
    provider: String,
    model: &str,
    prompt: &str,
    languages: &[String],
    max_tokens: usize,
) -> Question {
    let mut hasher = blake3::Hasher::new();
    let mut part = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    part(&provider);
    part(model);
    part(prompt);
    part(&languages.join(","));
    part(&max_tokens.to_string());
    Question { prompt_hash: hasher.finalize().to_hex()[..DIGITS].to_owned(), provider }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_question_counts() {
        let ask = |provider: &str, model, prompt, languages: &[&str], max_tokens| {
            let languages: Vec<_> = languages.iter().map(ToString::to_string).collect();
            question(provider.to_owned(), model, prompt, &languages, max_tokens).prompt_hash
        };
        let asked = ask("onnx:a", "digest", "", &["en", "zh"], 0);
        assert_eq!((asked.len(), &asked), (16, &ask("onnx:a", "digest", "", &["en", "zh"], 0)));
        for other in [
            ask("onnx:b", "digest", "", &["en", "zh"], 0),
            ask("onnx:a", "other", "", &["en", "zh"], 0),
            ask("onnx:a", "digest", "Describe it.", &["en", "zh"], 0),
            ask("onnx:a", "digest", "", &["zh", "en"], 0),
            ask("onnx:a", "digest", "", &["en", "zh"], 20),
        ] {
            assert_ne!(asked, other);
        }
    }
}
