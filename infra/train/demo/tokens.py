"""Trains the demo model's tokenizer: a byte-level BPE over the generated captions."""

from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from captions import LANGUAGES, caption, sentence
from scenes import TRAINING, seeded
from towers import CONTEXT

START, END = "<|startoftext|>", "<|endoftext|>"
# The language tokens are not used by the towers. The captioner shares the
# tokenizer and starts with one of them to choose the language it writes.
SPECIAL = (START, END, "<|en|>", "<|zh|>")
START_ID, END_ID = SPECIAL.index(START), SPECIAL.index(END)
VOCABULARY = 704


def train_tokenizer(seed=0):
    """Learn the tokens; the result truncates and pads to `CONTEXT` by itself."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [
            # Full-width letters and digits, common in Chinese input, become plain ones.
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
            # One form for a word wherever it stands in the text.
            normalizers.Prepend(" "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            # Chinese has no spaces: without this, whole phrases become tokens.
            pre_tokenizers.Split(Regex(r"\p{Han}"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(seed), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(START, START_ID), (END, END_ID)],
    )
    tokenizer.enable_truncation(CONTEXT)
    tokenizer.enable_padding(length=CONTEXT, pad_id=END_ID, pad_token=END)
    return tokenizer


def _corpus(seed):
    rng = seeded("corpus", seed)
    for scene in TRAINING:
        for language in LANGUAGES:
            yield sentence(scene, language)
        for _ in range(20):
            keep = tuple(rng.random() < chance for chance in (0.8, 0.7, 0.9, 0.9))
            yield caption(scene, rng, keep)
