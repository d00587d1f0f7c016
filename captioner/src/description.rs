//! The answer of a provider about one picture.

/// Captions and keywords of one picture, as the provider wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Language and sentence, for every language asked for, in that order.
    pub captions: Vec<(String, String)>,
    /// Keywords in any of these languages, best first as the provider gives them. May be empty.
    pub keywords: Vec<String>,
}
