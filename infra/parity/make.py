"""Writes crates/inference/tests/parity: small models of the families that are searched with, and what they compute.

    python -m venv venv && venv/bin/pip install --requirement requirements.txt && venv/bin/python make.py [FAMILY ...]

Each model has the architecture, the layout of files and the names of the public repositories of its family and random
weights. Pixels come from the family's own processor, token ids from a tokenizer of its kind, vectors from PyTorch.
"""

import json
import logging
import pathlib
import sys
import warnings

import numpy as np
import torch
from PIL import Image, ImageOps

import corpus
import families
import pictures

OUT = pathlib.Path(__file__).resolve().parents[2] / "crates" / "inference" / "tests" / "parity"


def main():
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    files = pictures.draw(OUT / "pictures")
    for name in sys.argv[1:] or families.ALL:
        torch.manual_seed(7)
        folder = OUT / name
        family = families.ALL[name](folder)
        golden = {"pictures": picture_goldens(family, files, folder / "golden")}
        golden["texts"] = text_goldens(family) if family.tokenizer else []
        (folder / "golden").mkdir(parents=True, exist_ok=True)
        (folder / "golden" / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        distances = [f"{spread(goldens):.4f}" for goldens in golden.values() if goldens]
        print(f"{name:12} {size / 1000:.0f} kB, least distance of two pictures and of two texts: {', '.join(distances)}")


def picture_goldens(family, files, folder):
    """Whole pixel levels go into NAME.png, what is left of them (in 1/256) into NAME.fraction.png where there is any."""
    folder.mkdir(parents=True, exist_ok=True)
    goldens = []
    for file in files:
        # Processors ignore the orientation, so the picture is turned before.
        upright = ImageOps.exif_transpose(Image.open(file)).convert("RGB")
        normalised = family.processor(images=upright, return_tensors="pt")["pixel_values"][0].numpy().astype(np.float64)
        mean, std = (np.array(values).reshape(3, 1, 1) for values in (family.processor.image_mean, family.processor.image_std))
        levels = np.clip((normalised * std + mean) * 255, 0, 255).transpose(1, 2, 0)
        steps = np.round(levels * 256).astype(np.int64) if family.unrounded else np.round(levels).astype(np.int64) * 256
        assert family.unrounded or np.abs(levels * 256 - steps).max() < 1, "the processor does not round pixels"
        steps = np.minimum(steps, 255 * 256)
        Image.fromarray((steps // 256).astype(np.uint8)).save(folder / f"{file.stem}.png", optimize=True)
        if family.unrounded:
            Image.fromarray((steps % 256).astype(np.uint8)).save(folder / f"{file.stem}.fraction.png", optimize=True)
        # The vector belongs to exactly the pixels in the files.
        stored = ((steps / 256 / 255).transpose(2, 0, 1) - mean) / std
        vector = family.image(torch.tensor(stored[None], dtype=torch.float32))
        goldens.append({"file": file.name, "width": upright.width, "height": upright.height, "vector": unit(vector)})
    return goldens


def text_goldens(family):
    goldens = []
    for text in corpus.QUESTIONS:
        ids = family.tokenize(text)
        goldens.append({"text": text, "ids": ids, "vector": unit(family.text(torch.tensor([ids])))})
    return goldens


def unit(vector):
    vector = vector.detach().numpy().astype(np.float64).reshape(-1)
    return [round(float(value), 7) for value in vector / np.linalg.norm(vector)]


def spread(goldens):
    """Vectors that are all alike would let every mistake pass."""
    vectors = np.array([golden["vector"] for golden in goldens])
    cosines = vectors @ vectors.T
    return 1 - float(cosines[~np.eye(len(vectors), dtype=bool)].max())


if __name__ == "__main__":
    main()
