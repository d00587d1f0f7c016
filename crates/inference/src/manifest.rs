//! `model.toml`: everything that is particular to one model, as data.

use serde::Deserialize;

/// A model as its `model.toml` describes it. Unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the model: lower-case letters, digits and `-`, since it becomes part of table names. A changed file, a
    /// changed precision or changed preprocessing is another model and needs another id.
    pub id: String,
    /// Vectors of models with the same space may be compared with each other; all others may not.
    pub space: String,
    /// Length of every vector.
    pub dim: usize,
    /// Licence of the weights (SPDX where there is one).
    pub licence: String,
    /// What the licence asks us to show to the user. Empty where it asks nothing.
    #[serde(default)]
    pub notice: String,
    /// True for a model that only knows the generated demo pictures: a user interface must say so.
    #[serde(default)]
    pub demo: bool,
    /// Where the files come from, for people: a repository and its revision.
    #[serde(default)]
    pub origin: String,
    /// Every file the model needs, verified before it is used.
    pub files: Vec<ModelFile>,
    /// How pictures become vectors. Absent for a model without an image tower.
    pub image: Option<ImageTower>,
    /// How texts become vectors. Absent for a model without a text tower.
    pub text: Option<TextTower>,
    /// What a cosine similarity means for this model.
    #[serde(default)]
    pub score: Score,
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Path below the model's folder, with `/`, without `..`.
    pub path: String,
    /// What it is for.
    pub role: FileRole,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, 64 hexadecimal digits.
    pub sha256: String,
}

/// What a file of a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileRole {
    /// ONNX graph of the image tower.
    Image,
    /// ONNX graph of the text tower.
    Text,
    /// `tokenizer.json` of the text tower, in the format of the `tokenizers` library.
    Tokenizer,
    /// Weights that a graph names and reads itself (`.onnx_data`): verified, never opened by us.
    Weights,
}

/// The image tower: a graph from pixels (f32, batch x 3 x height x width, RGB) to vectors (f32, batch x dim).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageTower {
    /// Name of the graph's input for pixels.
    pub input: String,
    /// Names under which the graph may give its vectors; the first that exists is taken.
    pub outputs: Vec<String>,
    /// Width of the input in pixels.
    pub width: u32,
    /// Height of the input in pixels.
    pub height: u32,
    /// How a picture of any shape becomes `width` x `height`.
    pub resize: ResizeMode,
    /// How pixels are interpolated, always with antialiasing.
    pub filter: Filter,
    /// Pixel value for 255 after scaling is 255 x `scale`.
    #[serde(default = "one_over_255")]
    pub scale: f32,
    /// Subtracted per channel (R, G, B) after scaling.
    pub mean: [f32; 3],
    /// Divided by per channel (R, G, B) after the mean is subtracted.
    pub std: [f32; 3],
}

/// How a picture of any shape becomes the model's input size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeMode {
    /// Both sides are scaled to the input size; the aspect ratio is lost (SigLIP, Chinese-CLIP).
    Squash,
    /// The shortest side is scaled to the input size and the middle is cut out (CLIP). Needs a square input.
    ShortestCrop,
}

/// Interpolation, named as in Pillow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// Linear.
    Bilinear,
    /// Cubic with a = -0.5.
    Bicubic,
    /// Lanczos with three lobes.
    Lanczos,
}

/// The text tower: a tokenizer and a graph from token ids (i64 or i32, batch x tokens) to vectors (f32, batch x dim).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextTower {
    /// Name of the graph's input for token ids.
    pub input: String,
    /// Names under which the graph may give its vectors; the first that exists is taken.
    pub outputs: Vec<String>,
    /// Name of the graph's input for the attention mask (1 = token, 0 = padding). Empty where there is none.
    #[serde(default)]
    pub mask_input: String,
    /// Name of the graph's input for token types, filled with 0. Empty where there is none.
    #[serde(default)]
    pub type_ids_input: String,
    /// Longer texts are cut to this many tokens, special tokens counted and kept.
    pub max_len: usize,
    /// Shorter texts are padded to this many tokens. 0 pads only to the longest text of the batch.
    #[serde(default)]
    pub pad_to: usize,
    /// Token id of padding. A wrong one gives wrong vectors without any error where the model looks at padding.
    pub pad_id: u32,
    /// Whether the tokenizer adds its special tokens (begin, end).
    #[serde(default = "yes")]
    pub add_special: bool,
    /// Whether the text is made lower-case before the tokenizer.
    #[serde(default)]
    pub lowercase: bool,
    /// Whether ASCII punctuation is removed before the tokenizer.
    #[serde(default)]
    pub strip_punctuation: bool,
    /// Whether runs of white space become one space and are trimmed at both ends before the tokenizer.
    #[serde(default)]
    pub collapse_whitespace: bool,
    /// Sentence a text is put in, at `{}`, as in `a photo of {}`.
    #[serde(default = "as_it_is")]
    pub template: String,
}

/// What a cosine similarity of this model means; `scale` and `bias` come from the checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Score {
    /// The function.
    pub kind: ScoreKind,
    /// Multiplies the cosine.
    pub scale: f32,
    /// Added to the product.
    pub bias: f32,
}

impl Default for Score {
    fn default() -> Self {
        Score { kind: ScoreKind::None, scale: 1.0, bias: 0.0 }
    }
}

/// How scaled cosines become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreKind {
    /// They do not: only their order means something.
    None,
    /// Softmax over the candidates (CLIP).
    Softmax,
    /// Sigmoid of each on its own (SigLIP).
    Sigmoid,
}

fn one_over_255() -> f32 {
    1.0 / 255.0
}

fn yes() -> bool {
    true
}

fn as_it_is() -> String {
    String::from("{}")
}

/// Longest side of a model's input in pixels; the largest real ones are below 1,024.
const MAX_INPUT_SIDE: u32 = 4096;
/// Longest token sequence; the largest real ones are below 1,000.
const MAX_TOKENS: usize = 8192;

impl Manifest {
    /// Reads and checks the text of a `model.toml`.
    ///
    /// # Errors
    /// The reason as one sentence, with the line where there is one.
    pub fn parse(text: &str) -> Result<Manifest, String> {
        let manifest: Manifest = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text.get(..span.start).unwrap_or("").matches('\n').count() + 1);
            format!("line {line}: {}", error.message().trim().replace('\n', ", "))
        })?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The file with this role.
    pub fn file(&self, role: FileRole) -> Option<&ModelFile> {
        self.files.iter().find(|file| file.role == role)
    }

    fn check(&self) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        require(!self.id.is_empty() && self.id.len() <= 64 && self.id.chars().all(plain), || {
            format!("the id `{}` must be 1 to 64 lower-case letters, digits or `-`", self.id)
        })?;
        require(!self.space.is_empty(), || String::from("`space` is empty"))?;
        require((1..=65_536).contains(&self.dim), || format!("`dim` is {}, outside 1 to 65536", self.dim))?;
        require(self.image.is_some() || self.text.is_some(), || String::from("it has neither [image] nor [text]"))?;
        self.check_files()?;
        self.image.as_ref().map_or(Ok(()), ImageTower::check)?;
        self.text.as_ref().map_or(Ok(()), TextTower::check)
    }

    fn check_files(&self) -> Result<(), String> {
        for file in &self.files {
            let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
            require(file.path.split('/').all(plain) && !file.path.contains(['\\', ':']), || {
                format!("the file path `{}` must lie below the model's folder", file.path)
            })?;
            require(hex::decode(&file.sha256).is_ok_and(|digest| digest.len() == 32), || {
                format!("the sha256 of `{}` must be 64 hexadecimal digits", file.path)
            })?;
        }
        let count = |role| self.files.iter().filter(|file| file.role == role).count();
        let image = usize::from(self.image.is_some());
        let text = usize::from(self.text.is_some());
        for (role, name, wanted) in
            [(FileRole::Image, "image", image), (FileRole::Text, "text", text), (FileRole::Tokenizer, "tokenizer", text)]
        {
            require(count(role) == wanted, || {
                format!("it has {} files with role `{name}` and needs {wanted} for its towers", count(role))
            })?;
        }
        Ok(())
    }
}

impl ImageTower {
    fn check(&self) -> Result<(), String> {
        require(!self.input.is_empty() && !self.outputs.is_empty(), || {
            String::from("[image] needs an `input` and at least one of `outputs`")
        })?;
        require([self.width, self.height].iter().all(|side| (1..=MAX_INPUT_SIDE).contains(side)), || {
            format!("[image] `width` and `height` must be 1 to {MAX_INPUT_SIDE}")
        })?;
        require(self.resize == ResizeMode::Squash || self.width == self.height, || {
            String::from("[image] `resize = \"shortest_crop\"` needs `width` equal to `height`")
        })?;
        let usable = self.scale.is_finite()
            && self.mean.iter().all(|mean| mean.is_finite())
            && self.std.iter().all(|std| std.is_finite() && *std != 0.0);
        require(usable, || String::from("[image] `scale`, `mean` and `std` must be finite and no `std` may be 0"))
    }
}

impl TextTower {
    fn check(&self) -> Result<(), String> {
        require(!self.input.is_empty() && !self.outputs.is_empty(), || {
            String::from("[text] needs an `input` and at least one of `outputs`")
        })?;
        require((1..=MAX_TOKENS).contains(&self.max_len), || format!("[text] `max_len` must be 1 to {MAX_TOKENS}"))?;
        require(self.pad_to == 0 || (self.max_len..=MAX_TOKENS).contains(&self.pad_to), || {
            format!("[text] `pad_to` must be 0, or `max_len` to {MAX_TOKENS}")
        })?;
        require(self.pad_id <= i32::MAX as u32, || String::from("[text] `pad_id` is too large for a token id"))?;
        require(self.template.matches("{}").count() == 1, || String::from("[text] `template` needs `{}` exactly once"))
    }
}

fn require(holds: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(reason()) }
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
