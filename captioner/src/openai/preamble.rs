//! What models say before they come to the picture.

/// Politeness at the beginning of a sentence.
const INTERJECTIONS: &[&str] = &[
    "sure thing",
    "sure",
    "certainly",
    "of course",
    "okay",
    "ok",
    "absolutely",
    "great",
    "here you go",
    "好的",
    "当然可以",
    "当然",
    "没问题",
    "可以",
];

/// Beginnings of a sentence about the answer; what follows its colon counts.
const ANNOUNCEMENTS: &[&str] = &[
    "here is",
    "here's",
    "here are",
    "below is",
    "the following is",
    "this is",
    "以下是",
    "以下为",
    "下面是",
    "这是",
    "根据",
];

/// What such a sentence is about.
const ANSWERS: &[&str] = &["description", "caption", "json", "summary", "描述", "说明", "标题"];

/// Names of what follows.
const LABELS: &[&str] = &[
    "caption",
    "description",
    "answer",
    "image description",
    "alt text",
    "标题",
    "描述",
    "说明",
    "图片描述",
    "图片说明",
];

/// Beginnings of "the image shows", piece by piece: at most one of each, and the rest is what
/// counts.
const SUBJECTS: &[&str] = &[
    "the image",
    "this image",
    "the picture",
    "this picture",
    "the photograph",
    "this photograph",
    "the photo",
    "this photo",
];
const VERBS: &[&str] =
    &["shows", "depicts", "displays", "features", "captures", "presents", "portrays", "showcases"];
const INSIDE: &[&str] = &[
    "in the image",
    "in this image",
    "in the picture",
    "in this picture",
    "in the photo",
    "in this photo",
];
const SEEING: &[&str] = &["we can see", "you can see", "i can see", "we see", "one can see"];
const POINTERS_ZH: &[&str] = &["这张", "这幅", "该张", "该幅", "这", "该", "此", "本"];
const SUBJECTS_ZH: &[&str] = &["图片", "照片", "图像", "画面", "相片", "图"];
const INSIDE_ZH: &[&str] = &["中", "里", "上", "内"];
const VERBS_ZH: &[&str] = &[
    "展示了",
    "展示的是",
    "展示",
    "显示了",
    "显示的是",
    "显示",
    "描绘了",
    "描绘的是",
    "呈现了",
    "呈现的是",
    "展现了",
    "拍摄了",
    "拍摄的是",
    "拍的是",
    "可以看到",
    "能看到",
    "我们可以看到",
    "是",
    "有",
];

/// The text without the preambles before it; whether there were any.
pub(super) fn without_preamble(text: &str) -> (&str, bool) {
    let mut rest = text;
    loop {
        let before = rest.len();
        for step in [
            without_interjection,
            without_announcement,
            without_label,
            without_frame,
            without_frame_zh,
        ] {
            rest = step(rest).unwrap_or(rest).trim_start();
        }
        if rest.len() == before {
            return (rest, rest.len() < text.len());
        }
    }
}

/// "Sure! A cat", but not "Sure-footed goats".
fn without_interjection(text: &str) -> Option<&str> {
    let rest = after_any(text, INTERJECTIONS)?;
    let rest = rest.strip_prefix(['!', ',', '.', ':', '！', '，', '。', '：'])?;
    Some(rest)
}

/// "Here is the description of the image: a cat", and the sentence without anything after it.
fn without_announcement(text: &str) -> Option<&str> {
    let rest = after_any(text, ANNOUNCEMENTS)?;
    let end = rest.find([':', '：', '.', '。', '\n']).unwrap_or(rest.len());
    let announced = rest.get(..end)?.to_lowercase();
    if !ANSWERS.iter().any(|word| announced.contains(word)) || announced.chars().count() > 100 {
        return None;
    }
    match rest.get(end..)?.chars().next() {
        Some(colon @ (':' | '：')) => rest.get(end + colon.len_utf8()..),
        // "This is a photo of a cat." is a caption.
        _ if after(text, "this is").is_some()
            || text.starts_with("这是")
            || text.starts_with("根据") =>
        {
            None
        }
        Some(stop) => rest.get(end + stop.len_utf8()..),
        None => Some(""),
    }
}

/// "Caption: a cat".
fn without_label(text: &str) -> Option<&str> {
    after_any(text, LABELS)?.trim_start().strip_prefix([':', '：'])
}

/// "The image shows a cat", "In this picture, we can see a cat".
fn without_frame(text: &str) -> Option<&str> {
    if let Some(rest) = after_any(text, INSIDE) {
        let rest = rest.trim_start_matches(',').trim_start();
        return Some(after_any(rest, SEEING).unwrap_or(rest));
    }
    after_any(after_any(text, SUBJECTS)?.trim_start(), VERBS)
}

/// "这张图片展示了一只猫", "图中有一只猫".
fn without_frame_zh(text: &str) -> Option<&str> {
    let rest = after_any(text, POINTERS_ZH).unwrap_or(text);
    let rest = after_any(rest, SUBJECTS_ZH)?;
    let inside = after_any(rest, INSIDE_ZH);
    let rest = inside.unwrap_or(rest).trim_start_matches(['，', ',']);
    // "图书馆里" begins with a subject as well: only a verb or a place makes it one.
    after_any(rest, VERBS_ZH)
        .or(inside.map(|_| rest))
        .map(|rest| rest.trim_start_matches(['，', ',', '：', ':']))
}

fn after_any<'a>(text: &'a str, beginnings: &[&str]) -> Option<&'a str> {
    beginnings.iter().find_map(|beginning| after(text, beginning))
}

/// What follows a beginning, in any case, that is not the beginning of a longer word. `beginning`
/// is in lower case.
pub(super) fn after<'a>(text: &'a str, beginning: &str) -> Option<&'a str> {
    let head = text.get(..beginning.len())?;
    let rest = text.get(beginning.len()..)?;
    let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '\'');
    let whole = !beginning.ends_with(|c: char| c.is_ascii_alphanumeric())
        || rest.chars().next().is_none_or(ends);
    (whole && head.eq_ignore_ascii_case(beginning)).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preambles_go() {
        for (text, wanted) in [
            ("Here's a description of the image: a cat.", "a cat."),
            ("Here is the caption: a cat.", "a cat."),
            ("Sure! Here is a description of the image:\n\na cat.", "a cat."),
            ("Certainly, the image shows a cat.", "a cat."),
            ("Caption: A cat.", "A cat."),
            ("The image shows a cat.", "a cat."),
            ("THIS PICTURE DEPICTS a cat.", "a cat."),
            ("In this image, we can see a cat.", "a cat."),
            ("In the photo, a cat sits.", "a cat sits."),
            ("好的，以下是图片的描述：一只猫。", "一只猫。"),
            ("这张图片展示了一只猫。", "一只猫。"),
            ("该图像显示了一只猫", "一只猫"),
            ("图中有一只猫。", "一只猫。"),
            ("图中，一只猫坐着。", "一只猫坐着。"),
            ("图片中可以看到一只猫。", "一只猫。"),
            ("画面里一只猫坐着。", "一只猫坐着。"),
            ("描述：一只猫", "一只猫"),
            ("Sure! Here is the description of the image.", ""),
            ("Here's the JSON", ""),
            ("这张图片展示了", ""),
        ] {
            assert_eq!(without_preamble(text), (wanted, true), "{text}");
        }
    }

    #[test]
    fn captions_stay() {
        for text in [
            "A cat.",
            "This is a photo of a cat.",
            "This is a photo of a sign: stop.",
            "Here is a cat on a sofa.",
            "Sure-footed goats on a rock.",
            "The imagery of a temple.",
            "The image is mirrored in a lake.",
            "Okra and beans.",
            "图书馆里有很多书。",
            "照片墙前站着一个人。",
            "这是一只猫的照片。",
            "可以看到大海的房间",
            "",
        ] {
            assert_eq!(without_preamble(text), (text, false), "{text}");
        }
    }
}
