"""Writes crates/inference/tests/parity: small models of the families that are searched with, and
what they compute.

    python -m venv venv && venv/bin/pip install --requirement requirements.txt
    venv/bin/python make.py [FAMILY ...]

Each model has the architecture, the layout of files and the names of the public repositories of its
family and random weights. Pixels come from the family's own processor, token ids from a tokenizer
of its kind, vectors from PyTorch, captions from transformers' `generate`.
"""

import json
import logging
import pathlib
import sys
import warnings

import numpy as np
import torch

# Behind this folder, so that the files beside this one come first.
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "convert"))
import captioners  # noqa: E402
import corpus  # noqa: E402
import families  # noqa: E402
import pictures  # noqa: E402
from golden_pixels import golden_pixels  # noqa: E402

OUT = pathlib.Path(__file__).resolve().parents[3] / "crates" / "inference" / "tests" / "parity"


def main():
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    files = pictures.draw(OUT / "pictures")
    for name in sys.argv[1:] or [*families.ALL, *captioners.ALL]:
        torch.manual_seed(7)
        folder = OUT / name
        if name in captioners.ALL:
            captioners.ALL[name](folder, files)
            continue
        family = families.ALL[name](folder)
        golden = {"pictures": picture_goldens(family, files, folder / "golden")}
        golden["texts"] = text_goldens(family) if family.tokenizer else []
        (folder / "golden").mkdir(parents=True, exist_ok=True)
        (folder / "golden" / "golden.json").write_text(
            json.dumps(golden, ensure_ascii=False, indent=1) + "\n"
        )
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        distances = [f"{spread(goldens):.4f}" for goldens in golden.values() if goldens]
        print(
            f"{name:12} {size / 1000:.0f} kB, "
            f"least distance of two pictures and of two texts: {', '.join(distances)}"
        )


def picture_goldens(family, files, folder):
    goldens = []
    for file in files:
        golden, stored = golden_pixels(family.processor, file, folder, family.unrounded)
        goldens.append(golden | {"vector": unit(family.image(stored))})
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
