"""Writes golden files: inputs with the outputs that PyTorch and Pillow give.

The product's tests compare their own preprocessing, tokens and embeddings with
these, each layer on its own, so that a failure names its cause.
"""

import hashlib
import json

import numpy as np
import torch
from torch.nn import functional as F

from captions import sentence
from samples import pixels
from scenes import Scene, render, seeded

# (file name, scene, width and height)
PICTURES = (
    ("car.png", Scene("beach", "sunset", "car", "red"), (160, 160)),
    ("cat.png", Scene("city", "day", "cat", "black"), (128, 128)),
    ("boat.png", Scene("forest", "night", "boat", "green"), (192, 128)),
    ("star.png", Scene("mountain", "night", "star", "yellow"), (120, 160)),
    ("ball.png", Scene("desert", "day", "ball", "purple"), (64, 64)),
    ("flower.png", Scene("mountain", "sunset", "flower", "white"), (200, 200)),
)
TEXTS = (
    sentence(PICTURES[0][1], "en"),
    sentence(PICTURES[0][1], "zh"),
    sentence(PICTURES[1][1], "zh"),
    "a black cat",
    "海滩 red car 夕阳",
    "",
    "A RED CAR ON THE BEACH AT SUNSET",
    "ＲＥＤ　ＣＡＲ",
    "  a red\tcar\n on the beach ",
    "🚗",
    "a red 🚗 on the 海滩",
    " ".join(["a red car on the beach at sunset with"] * 56),
    "夕阳下海滩上的红色汽车" * 20,
)
# 64 samples this far apart touch all three channels and every part of a row.
STRIDE = 191


def write_golden(directory, vision, text, tokenizer):
    directory.mkdir(parents=True, exist_ok=True)
    golden = {
        "about": "Made by infra/train/demo/train.py with Pillow, tokenizers and PyTorch.",
        "sample_stride": STRIDE,
        "pictures": [_picture(directory, vision, *picture) for picture in PICTURES],
        "texts": [_text(text, tokenizer, words) for words in TEXTS],
    }
    file = directory / "golden.json"
    file.write_text(one_line_lists(golden), encoding="utf-8")


def _picture(directory, vision, name, scene, size):
    image = render(scene, seeded("golden", name), size)
    image.save(directory / name, optimize=True)
    tensor = pixels(image)
    flat = tensor.ravel()
    return {
        "file": name,
        "width": size[0],
        "height": size[1],
        "tensor": {
            "shape": [1, *tensor.shape],
            "first": _numbers(flat[:64]),
            "samples": _numbers(flat[::STRIDE][:64]),
            "mean": round(float(flat.mean(dtype=np.float64)), 7),
            "sha256_f32le": hashlib.sha256(flat.astype("<f4").tobytes()).hexdigest(),
        },
        "embedding": _embedding(vision, torch.from_numpy(tensor)[None]),
    }


def _text(text, tokenizer, words):
    ids = tokenizer.encode(words).ids
    return {"text": words, "ids": ids, "embedding": _embedding(text, torch.tensor([ids]))}


def _embedding(tower, batch):
    with torch.no_grad():
        return _numbers(F.normalize(tower(batch), dim=-1)[0].numpy())


def _numbers(values):
    return [round(float(value), 7) for value in values]


def one_line_lists(value, indent=0):
    """JSON with objects spread out and plain lists kept on one line."""
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        lines = [
            f"{inner}{json.dumps(key)}: {one_line_lists(item, indent + 2)}"
            for key, item in value.items()
        ]
        brackets = "{}"
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        lines = [inner + one_line_lists(item, indent + 2) for item in value]
        brackets = "[]"
    else:
        return json.dumps(value, ensure_ascii=False)
    text = brackets[0] + "\n" + ",\n".join(lines) + "\n" + " " * indent + brackets[1]
    return text if indent else text + "\n"
