//! What the provider is asked. Another prompt makes other captions, so its hash stands in every row.

use pipeline::caption_prompt::CaptionPrompt;

// Enough to tell prompts apart, short enough to be compared by eye.
const DIGITS: usize = 16;

/// The prompt of these words for this provider: model or its version, prompt, languages, longest
/// length.
pub(crate) fn prompt_for(
    provider: String,
    model: &str,
    prompt: &str,
    languages: &[String],
    max_tokens: usize,
) -> CaptionPrompt {
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
    CaptionPrompt { prompt_hash: hasher.finalize().to_hex()[..DIGITS].to_owned(), provider }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_prompt_counts() {
        let ask = |provider: &str, model, prompt, languages: &[&str], max_tokens| {
            let languages: Vec<_> = languages.iter().map(ToString::to_string).collect();
            prompt_for(provider.to_owned(), model, prompt, &languages, max_tokens).prompt_hash
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
