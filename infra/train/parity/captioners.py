"""Captioners of the public families with random weights, and what transformers writes with them."""

import json

import numpy as np
import torch
import transformers as hf

import tokens
from blip import convert
from blip_check import generated, refuse_differences
from export import liven
from families import CLIP_NORM, SIDE, TEXT, VISION
from golden_pixels import golden_pixels
from onnx_captioner import OnnxCaptioner

MAX_TOKENS = 12
# Weights and the end token's bias were chosen so that captions differ and end at different steps or
# not at all.
SEED, END_BIAS = 158, 1.5
# With a smaller margin, rounding on another processor could choose another word.
LEAST_MARGIN = 1e-3


def blip(folder, files):
    model, processor, tokenizer = blip_model(SEED, END_BIAS)
    about = {"id": "parity-blip", "licence": "Apache-2.0", "origin": "infra/train/parity/make.py"}
    convert(model, processor, tokenizer, folder, about, max_tokens=MAX_TOKENS)
    captioner = OnnxCaptioner(folder)

    goldens, inputs = zip(*[golden_pixels(processor, file, folder / "golden") for file in files])
    pixels = torch.cat(inputs).numpy()
    refuse_differences(model, tokenizer, captioner, pixels, "en")
    prompt = captioner.prompts["en"]
    captions = generated(model, pixels, prompt, MAX_TOKENS, use_cache=True)
    assert captions == generated(model, pixels, prompt, MAX_TOKENS, use_cache=False), (
        "the cache changes a caption"
    )
    worst = least_margin(model, pixels, captions)
    assert worst > LEAST_MARGIN, f"two words are only {worst:.1e} apart"
    assert tells_apart(captions), "captions do not differ enough for a mistake to show"

    golden = {
        "pictures": [
            entry | {"ids": ids, "text": captioner.text(ids)}
            for entry, ids in zip(goldens, captions)
        ]
    }
    (folder / "golden" / "golden.json").write_text(
        json.dumps(golden, ensure_ascii=False, indent=1) + "\n"
    )
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    lengths = ", ".join(str(len(ids)) for ids in captions)
    print(
        f"{folder.name:12} {size / 1000:.0f} kB, captions of {lengths} tokens, "
        f"least margin of a word: {worst:.4f}"
    )


def blip_model(seed, end_bias):
    torch.manual_seed(seed)
    tokenizer = tokens.blip()
    id_of = tokenizer.token_to_id
    text = dict(
        TEXT,
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=32,
        encoder_hidden_size=VISION["hidden_size"],
    )
    text |= {
        "bos_token_id": id_of("[DEC]"),
        "sep_token_id": id_of("[SEP]"),
        "pad_token_id": id_of("[PAD]"),
        "eos_token_id": 2,
    }
    # BLIP's own range, 1e-10, makes every picture look alike.
    config = hf.BlipConfig(text_config=text, vision_config=dict(VISION, initializer_range=0.02))
    model = liven(hf.BlipForConditionalGeneration(config))
    # The picture influences a word by attention only; large weights keep the scores apart.
    liven(model.vision_model, 3.0)
    for layer in model.text_decoder.bert.encoder.layer:
        liven(layer.crossattention, 6.0)
    with torch.no_grad():
        model.text_decoder.bert.embeddings.word_embeddings.weight.mul_(5)
        model.text_decoder.cls.predictions.decoder.bias[id_of("[SEP]")] += end_bias
    processor = hf.BlipImageProcessor(size={"height": SIDE, "width": SIDE}, resample=3, **CLIP_NORM)
    names = {
        "unk_token": "[UNK]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    return (
        model,
        processor,
        hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="[DEC]", **names),
    )


@torch.no_grad()
def least_margin(model, pixels, captions):
    """The smallest distance of a chosen token's score, the end's included, to the next best one."""
    text, least = model.config.text_config, float("inf")
    for picture, ids in zip(pixels, captions):
        hidden = model.vision_model(pixel_values=torch.from_numpy(picture[None])).last_hidden_state
        fed = [text.bos_token_id, *ids][:MAX_TOKENS]
        scores = model.text_decoder(
            input_ids=torch.tensor([fed]), encoder_hidden_states=hidden
        ).logits[0]
        best = scores.topk(2).values
        least = min(least, float((best[:, 0] - best[:, 1]).min()))
    return least


def tells_apart(captions):
    lengths = {len(ids) for ids in captions}
    early = {length for length in lengths if 0 < length < MAX_TOKENS}
    words = np.mean([len(set(ids)) / len(ids) for ids in captions if ids])
    return (
        len({tuple(ids) for ids in captions}) == len(captions)
        and len(early) > 1
        and MAX_TOKENS in lengths
        and words > 0.5
    )


ALL = {"blip": blip}
