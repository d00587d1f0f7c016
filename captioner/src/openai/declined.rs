//! What models say instead of a caption.

use super::preamble::{after, without_preamble};

/// Beginnings of an answer that is none.
const REFUSALS: &[&str] = &[
    "i'm sorry",
    "i am sorry",
    "sorry,",
    "sorry, ",
    "sorry.",
    "sorry but",
    "i apologize",
    "i apologise",
    "my apologies",
    "i can't",
    "i cannot",
    "i can not",
    "i'm unable",
    "i am unable",
    "i'm not able",
    "i am not able",
    "i won't",
    "i will not",
    "unfortunately, i",
    "unfortunately i",
    "as an ai",
    "i don't see",
    "i do not see",
    "i'm not allowed",
    "please provide",
    "please upload",
    "there is no image",
    "no image was",
    "no image provided",
    "抱歉",
    "很抱歉",
    "非常抱歉",
    "对不起",
    "不好意思",
    "我无法",
    "我不能",
    "无法",
    "作为一个人工智能",
    "作为ai",
    "作为一个ai",
    "我没有看到",
    "没有看到",
    "请提供",
    "请上传",
];

/// Whether the text says that there will be no caption.
pub(super) fn is_refusal(text: &str) -> bool {
    let (rest, _) = without_preamble(text.trim());
    let straight: String = rest.chars().take(60).map(|c| if c == '’' { '\'' } else { c }).collect();
    REFUSALS.iter().any(|beginning| after(&straight, beginning).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_from_captions() {
        for text in [
            "I'm sorry, I can't help with that.",
            "I’m sorry, but I cannot describe people.",
            "Sorry, no.",
            "As an AI model I cannot see.",
            "Unfortunately, I am unable to view images.",
            "抱歉，我无法描述这张图片。",
            "对不起，我不能",
            "Sure. I can't do that.",
            "请提供图片。",
        ] {
            assert!(is_refusal(text), "{text}");
        }
        for text in [
            "A sorry sight.",
            "A sign that says: I'm sorry.",
            "Sorry sight of a wreck",
            "一个人在道歉",
            "",
            "I",
        ] {
            assert!(!is_refusal(text), "{text}");
        }
    }
}
