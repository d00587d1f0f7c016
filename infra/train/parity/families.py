"""One function per family: writes the folder and returns what computing with it needs."""

import dataclasses
import json
import typing

import onnx
import torch
import transformers as hf
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16

import tokens
from export import Head, liven
from onnx_graph import graph

SIDE = 48
VISION = {
    "hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "image_size": SIDE,
    "patch_size": 8,
}
TEXT = {
    "hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
}
DIM = 24
CLIP_NORM = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
BATCH = {0: "batch"}
TOKENS = {0: "batch", 1: "sequence"}


@dataclasses.dataclass
class Family:
    processor: typing.Any
    image: typing.Callable
    tokenizer: typing.Any = None
    tokenize: typing.Callable = None
    text: typing.Callable = None
    unrounded: bool = False


def pixels(batch=2):
    return torch.randn(batch, 3, SIDE, SIDE)


def write(folder, name, content):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def public(folder, config, processor, tokenizer, pad, length):
    """The files beside `onnx/` in a repository for transformers.js."""
    write(
        folder,
        "config.json",
        {key: value for key, value in config.to_dict().items() if key != "_name_or_path"},
    )
    settings = {key: value for key, value in processor.to_dict().items() if value is not None}
    write(folder, "preprocessor_config.json", settings)
    if tokenizer:
        write(folder, "tokenizer.json", json.loads(tokenizer.to_str()))
        write(folder, "tokenizer_config.json", {"pad_token": pad, "model_max_length": length})


def reference(tokenizer, pad, length, **options):
    """Token ids of Hugging Face's own class."""
    fast = hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=pad, model_max_length=length, padding_side="right"
    )
    return lambda text: fast(text, truncation=True, max_length=length, **options)["input_ids"]


def clip_model():
    tokenizer = tokens.clip()
    end = tokenizer.token_to_id("<|endoftext|>")
    text = dict(
        TEXT, vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=77, projection_dim=DIM
    )
    text |= {"bos_token_id": end - 1, "eos_token_id": end, "pad_token_id": end}
    config = hf.CLIPConfig(
        text_config=text, vision_config=dict(VISION, projection_dim=DIM), projection_dim=DIM
    )
    model = liven(hf.CLIPModel(config))
    processor = hf.CLIPImageProcessor(
        size={"shortest_edge": SIDE},
        crop_size={"height": SIDE, "width": SIDE},
        resample=3,
        **CLIP_NORM,
    )
    image = Head(
        model, lambda m, x: m.visual_projection(m.vision_model(pixel_values=x).pooler_output)
    )
    words = Head(model, lambda m, ids: m.text_projection(m.text_model(input_ids=ids).pooler_output))
    tokenize = reference(tokenizer, "<|endoftext|>", 77)
    return config, Family(processor, image, tokenizer, tokenize, words)


def clip(folder):
    config, family = clip_model()
    graph(
        family.image,
        [pixels()],
        ["pixel_values"],
        ["image_embeds"],
        [BATCH],
        folder / "onnx/vision_model.onnx",
    )
    ids = torch.tensor([family.tokenize("a red car")[:5], family.tokenize("a black cat")[:5]])
    graph(
        family.text,
        [ids],
        ["input_ids"],
        ["text_embeds"],
        [TOKENS],
        folder / "onnx/text_model.onnx",
    )
    public(folder, config, family.processor, family.tokenizer, "<|endoftext|>", 77)
    return family


def immich(folder):
    """`clip` as open_clip is exported for Immich: single pictures, 77 tokens of 32 bits."""
    _, family = clip_model()
    graph(family.image, [pixels(1)], ["image"], ["output"], [{}], folder / "visual/model.onnx")
    fixed = Head(family.text, lambda m, ids: m(ids.to(torch.int64)))
    end = family.tokenizer.token_to_id("<|endoftext|>")
    ids = torch.full((1, 77), end, dtype=torch.int32)
    graph(fixed, [ids], ["text"], ["output"], [{}], folder / "textual/model.onnx")
    norm = {"mean": CLIP_NORM["image_mean"], "std": CLIP_NORM["image_std"]}
    picture = {
        "size": [SIDE, SIDE],
        "mode": "RGB",
        "interpolation": "bicubic",
        "resize_mode": "shortest",
        "fill_color": 0,
    }
    write(folder, "visual/preprocess_cfg.json", picture | norm)
    write(folder, "textual/tokenizer.json", json.loads(family.tokenizer.to_str()))
    write(
        folder,
        "textual/tokenizer_config.json",
        {"pad_token": "<|endoftext|>", "model_max_length": 77},
    )
    cfg = {
        "embed_dim": DIM,
        "vision_cfg": {"image_size": SIDE, "patch_size": 8},
        "text_cfg": {"context_length": 77},
    }
    write(folder, "config.json", cfg)
    tokenize = reference(family.tokenizer, "<|endoftext|>", 77, padding="max_length")
    return dataclasses.replace(family, tokenize=tokenize)


def chinese_clip(folder):
    tokenizer = tokens.chinese_bert()
    text = dict(
        TEXT, vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=64, pad_token_id=0
    )
    config = hf.ChineseCLIPConfig(text_config=text, vision_config=VISION, projection_dim=DIM)
    model = liven(hf.ChineseCLIPModel(config))
    # As in `dinov3`, the first token is the pooled output.
    liven(model.text_model, 5.0)
    processor = hf.ChineseCLIPImageProcessor(
        size={"height": SIDE, "width": SIDE}, do_center_crop=False, resample=3, **CLIP_NORM
    )
    fast = hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", model_max_length=52
    )

    def both(m, ids, x, mask):
        out = m(input_ids=ids, pixel_values=x, attention_mask=mask)
        return out.logits_per_image, out.logits_per_text, out.text_embeds, out.image_embeds

    one = torch.tensor([[101, 102, 0]])
    batch = fast(["夕阳下的船", "一只猫"], padding=True, return_tensors="pt")
    inputs = [batch["input_ids"], pixels(3), batch["attention_mask"]]
    names, outputs = (
        ["input_ids", "pixel_values", "attention_mask"],
        ["logits_per_image", "logits_per_text", "text_embeds", "image_embeds"],
    )
    sequence = {0: "text_batch_size", 1: "sequence_length"}
    axes = [sequence, {0: "image_batch_size"}, sequence]
    graph(Head(model, both), inputs, names, outputs, axes, folder / "onnx/model.onnx")
    public(folder, config, processor, tokenizer, "[PAD]", 52)
    image = lambda x: (
        model(input_ids=one, pixel_values=x, attention_mask=torch.ones_like(one)).image_embeds
    )
    words = lambda ids: (
        model(
            input_ids=ids, pixel_values=pixels(1), attention_mask=torch.ones_like(ids)
        ).text_embeds
    )
    return Family(processor, image, tokenizer, reference(tokenizer, "[PAD]", 52), words)


def siglip2(folder):
    tokenizer = tokens.gemma()
    text = dict(
        TEXT, vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=64, projection_size=DIM
    )
    text |= {"bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0}
    config = hf.SiglipConfig(text_config=text, vision_config=VISION)
    model = liven(hf.SiglipModel(config))
    # Bilinear, as the repositories of SigLIP 2 say; those of SigLIP 1 say 3 (bicubic).
    processor = hf.SiglipImageProcessor(
        size={"height": SIDE, "width": SIDE}, resample=2, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    image = Head(model, lambda m, x: m.vision_model(pixel_values=x).pooler_output)
    words = Head(model, lambda m, ids: m.text_model(input_ids=ids).pooler_output)
    graph(
        image,
        [pixels()],
        ["pixel_values"],
        ["pooler_output"],
        [BATCH],
        folder / "onnx/vision_model.onnx",
    )
    cased = reference(tokenizer, "<pad>", 64, padding="max_length")
    tokenize = lambda sentence: cased(sentence.lower())
    graph(
        words,
        [torch.tensor([tokenize("a"), tokenize("b")])],
        ["input_ids"],
        ["pooler_output"],
        [BATCH],
        folder / "onnx/text_model.onnx",
    )
    public(folder, config, processor, tokenizer, "<pad>", 64)
    return Family(processor, image, tokenizer, tokenize, words)


def dinov3(folder):
    """Also in fp16, with fp16 inputs and outputs, and in int8."""
    config = hf.DINOv3ViTConfig(**VISION, num_register_tokens=4)
    # The first token is the pooled output; the picture reaches it by attention only.
    model = liven(hf.DINOv3ViTModel(config), 10.0)
    processor = hf.DINOv3ViTImageProcessor(size={"height": SIDE, "width": SIDE})

    def both(m, x):
        out = m(pixel_values=x)
        return out.last_hidden_state, out.pooler_output

    file = folder / "onnx/model.onnx"
    graph(
        Head(model, both),
        [pixels()],
        ["pixel_values"],
        ["last_hidden_state", "pooler_output"],
        [BATCH],
        file,
    )
    half = convert_float_to_float16(onnx.load(file), keep_io_types=False)
    onnx.save(half, folder / "onnx/model_fp16.onnx")
    quantize_dynamic(
        file,
        folder / "onnx/model_quantized.onnx",
        weight_type=QuantType.QUInt8,
        op_types_to_quantize=["MatMul", "Gemm"],
    )
    public(folder, config, processor, None, None, None)
    return Family(
        processor, Head(model, lambda m, x: m(pixel_values=x).pooler_output), unrounded=True
    )


ALL = {
    "clip": clip,
    "immich": immich,
    "chinese-clip": chinese_clip,
    "siglip2": siglip2,
    "dinov3": dinov3,
}
