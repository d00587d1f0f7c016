"""Tokenizers of the kinds the families use, with the words of a few sentences."""

import json
import string

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from corpus import SENTENCES

_CLIP_WORDS = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""


def clip():
    """Byte-level BPE of lower-case words that end in `</w>`."""
    begin, end = "<|startoftext|>", "<|endoftext|>"
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    split = pre_tokenizers.Split(Regex(_CLIP_WORDS), behavior="removed", invert=True)
    words = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False)])

    def bpe(model):
        tokenizer = Tokenizer(model)
        tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, words
        return tokenizer

    options = {"end_of_word_suffix": "</w>", "unk_token": end}
    trained = bpe(models.BPE(**options))
    trained.train_from_iterator(
        SENTENCES,
        trainers.BpeTrainer(
            vocab_size=600,
            initial_alphabet=alphabet,
            end_of_word_suffix="</w>",
            show_progress=False,
        ),
    )
    merges = [tuple(pair) for pair in json.loads(trained.to_str())["model"]["merges"]][:150]
    vocabulary = [
        *alphabet,
        *(letter + "</w>" for letter in alphabet),
        *("".join(pair) for pair in merges),
        begin,
        end,
    ]
    ids = {token: i for i, token in enumerate(dict.fromkeys(vocabulary))}
    tokenizer = bpe(models.BPE(vocab=ids, merges=merges, **options))
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(begin, normalized=True), AddedToken(end, normalized=False)]
    )
    tokenizer.post_processor = processors.RobertaProcessing(
        (end, ids[end]), (begin, ids[begin]), False, False
    )
    return tokenizer


def chinese_bert():
    """WordPiece in which every Chinese character is a word, with BERT's ids of special tokens."""
    special = [
        "[PAD]",
        *(f"[unused{i}]" for i in range(1, 100)),
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
    ]
    text = " ".join(SENTENCES)
    characters = sorted(
        set(text.replace(" ", "") + string.ascii_lowercase + string.digits + "'(),!.-_")
    )
    within = ["##" + character for character in string.ascii_lowercase + string.digits]
    words = sorted(word for word in set(text.split()) if word.isascii() and len(word) > 1)
    # Written down and not trained: the trainer breaks ties differently at every run.
    ids = {token: i for i, token in enumerate([*special, *characters, *within, *words])}
    tokenizer = Tokenizer(models.WordPiece(vocab=ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, lowercase=True
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", special.index("[SEP]")), ("[CLS]", special.index("[CLS]"))
    )
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def gemma():
    """BPE over characters, bytes for all others, `▁` for spaces; an end token, no start token."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    space = normalizers.Replace(" ", "▁")
    split = pre_tokenizers.Split(" ", behavior="merged_with_previous")
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.normalizer, trained.pre_tokenizer = (
        space,
        pre_tokenizers.Split("▁", behavior="merged_with_next"),
    )
    trained.train_from_iterator(SENTENCES, trainers.BpeTrainer(vocab_size=300, show_progress=False))
    model = json.loads(trained.to_str())["model"]
    pieces = sorted(model["vocab"], key=model["vocab"].get)
    vocabulary = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]
    ids = {token: i for i, token in enumerate(dict.fromkeys(vocabulary))}
    merges = [tuple(pair) for pair in model["merges"]]
    tokenizer = Tokenizer(
        models.BPE(vocab=ids, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer, tokenizer.pre_tokenizer = space, split
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", 1)]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return tokenizer


def blip():
    """WordPiece of lower-case English words; BLIP's start token stands behind BERT's vocabulary."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = [*string.ascii_lowercase, *string.digits, *"'(),!.-_"]
    within = ["##" + character for character in string.ascii_lowercase + string.digits]
    words = sorted(
        {
            word
            for sentence in SENTENCES
            for word in sentence.split()
            if word.isascii() and len(word) > 1
        }
    )
    ids = {
        token: i
        for i, token in enumerate([*special, *characters, *within, *words, "[DEC]", "[ENC]"])
    }
    tokenizer = Tokenizer(models.WordPiece(vocab=ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, lowercase=True
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens([*special, "[DEC]", "[ENC]"])
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"])
    )
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer
