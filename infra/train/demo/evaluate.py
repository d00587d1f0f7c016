"""Measures the exported files the way a user would: words in, pictures out.

    python infra/train/demo/evaluate.py MODEL_DIR PICTURES_DIR

reads a folder made by pictures.py as the product does and prints the recall.
"""

import json
import sys
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from tokenizers import Tokenizer

# Scenes and their captions are the demo's.
sys.path.append(str(Path(__file__).resolve().parents[2] / "dev" / "demo"))
from captions import LANGUAGES, caption, sentence  # noqa: E402
from export import run, session  # noqa: E402
from samples import pixels, stored_picture  # noqa: E402
from scenes import HELD_OUT, TRAINING, seeded  # noqa: E402


class Model:
    """The exported model directory, run by ONNX Runtime."""

    def __init__(self, directory, threads=1):
        self.vision = session(directory / "onnx" / "vision_model.onnx", threads)
        self.text = session(directory / "onnx" / "text_model.onnx", threads)
        self.tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))

    def embed_images(self, images, batch=50):
        """Unit vectors of an iterable of Pillow images."""
        squares = [pixels(image) for image in images]
        parts = [squares[start : start + batch] for start in range(0, len(squares), batch)]
        return _unit(np.concatenate([run(self.vision, np.stack(part)) for part in parts]))

    def embed_texts(self, texts):
        ids = [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]
        return _unit(run(self.text, np.array(ids, dtype=np.int64)))


def _unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def measure(model, seed=8):
    """Recall on scenes that were never trained on; returns the lowest recall@1."""
    scenes = [*HELD_OUT, *TRAINING]
    pictures = (stored_picture(scene, seeded("gallery", seed, scene)) for scene in scenes)
    gallery = model.embed_images(pictures)

    lowest = 1.0
    for size, language in product((len(HELD_OUT), len(scenes)), LANGUAGES):
        queries = model.embed_texts([sentence(scene, language) for scene in HELD_OUT])
        first, fifth = recall(queries, gallery[:size])
        lowest = min(lowest, first)
        print(f"held-out scenes, gallery {size}, {language}: R@1 {first:.4f}, R@5 {fifth:.4f}")

    rng = seeded("wording", seed)
    queries = model.embed_texts([caption(scene, rng) for scene in HELD_OUT])
    first, fifth = recall(queries, gallery)
    print(f"free wording, gallery {len(scenes)}: R@1 {first:.4f}, R@5 {fifth:.4f}")

    for name, ask in (
        ("colour and object", (False, False, True, True)),
        ("place and time", (True, True, False, False)),
        ("object", (False, False, True, False)),
        ("colour", (False, False, False, True)),
    ):
        precision = _precision(model, scenes, gallery, ask, rng)
        print(f"queries naming only {name}: P@10 {precision:.3f}")
    return lowest


def recall(queries, gallery):
    """Share of queries whose own picture (same index) is first, and among the first five."""
    order = np.argsort(-queries @ gallery.T, axis=1)
    own = np.arange(len(queries))[:, None]
    return tuple(float((order[:, :depth] == own).any(axis=1).mean()) for depth in (1, 5))


def _precision(model, scenes, gallery, ask, rng):
    """Mean share of true pictures among the first ten, over partial queries."""
    asked = {_chosen(scene, ask): scene for scene in scenes}
    found = []
    for chosen, scene in asked.items():
        texts = [caption(scene, rng, ask) for _ in range(4)]
        order = np.argsort(-model.embed_texts(texts) @ gallery.T, axis=1)[:, :10]
        found += [_chosen(scenes[index], ask) == chosen for index in order.flat]
    return sum(found) / len(found)


def _chosen(scene, ask):
    return tuple(value for value, kept in zip(scene.attributes(), ask) if kept)


def main(model_dir, pictures_dir):
    model = Model(Path(model_dir))
    folder = Path(pictures_dir)
    entries = json.loads((folder / "captions.json").read_text(encoding="utf-8"))
    files = (Image.open(folder / entry["key"]) for entry in entries)
    gallery = model.embed_images(ImageOps.exif_transpose(file) for file in files)
    for language in LANGUAGES:
        queries = model.embed_texts([entry[language] for entry in entries])
        first, fifth = recall(queries, gallery)
        print(f"{len(entries)} pictures, {language}: R@1 {first:.4f}, R@5 {fifth:.4f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
