"""Compares a model with Hugging Face's: writes what transformers computes as the model's
`[golden]`.

    python against_hf.py MODEL_FOLDER REFERENCE PICTURE TEXT [--write]

MODEL_FOLDER has a `model.toml`; REFERENCE is the original model, a name at Hugging Face or a folder
with its weights. Prints the section; with --write copies the picture beside `model.toml` and
appends file and section to it. After that `embedder models verify` compares, and so does every
process that loads the model. `model.toml` counts as changed.
"""

import argparse
import hashlib
import inspect
import pathlib
import shutil
import sys
import tomllib

import numpy as np
import torch
import transformers
from PIL import Image, ImageOps

# Fewer values would say little, more would fill the manifest.
VALUES = 16


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("reference")
    parser.add_argument("picture", type=pathlib.Path)
    parser.add_argument("text")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    file = options.folder / "model.toml"
    manifest = tomllib.loads(file.read_text())
    if "golden" in manifest:
        sys.exit(
            f"{file} has a [golden] already: remove it, and its file with the role golden, first"
        )

    model = transformers.AutoModel.from_pretrained(options.reference, dtype=torch.float32).eval()
    name = "golden" + options.picture.suffix.lower()
    lines, vectors = [], []
    if "image" in manifest:
        vectors.append(picture_vector(model, options))
        lines += [f'picture = "{name}"', f"picture_vector = {numbers(vectors[-1])}"]
    if "text" in manifest:
        vector, ids = text_vector(model, manifest["text"], options)
        vectors.append(vector)
        lines += [
            f"text = {quoted(options.text)}",
            f"text_vector = {numbers(vector)}",
            f"text_ids = {ids}",
        ]
    if len(vectors) == 2:
        lines.append(f"cosine = {float(vectors[0] @ vectors[1]):.6f}")

    content = options.picture.read_bytes()
    listed = ["[[files]]", f'path = "{name}"', 'role = "golden"', f"bytes = {len(content)}"]
    listed.append(f'sha256 = "{hashlib.sha256(content).hexdigest()}"')
    section = "\n".join(
        ["", *(listed + [""] if "image" in manifest else []), "[golden]", *lines, ""]
    )
    print(section)
    if options.write:
        if "image" in manifest:
            shutil.copyfile(options.picture, options.folder / name)
        file.write_text(file.read_text().rstrip("\n") + "\n" + section)


@torch.no_grad()
def picture_vector(model, options):
    processor = transformers.AutoImageProcessor.from_pretrained(options.reference)
    # Processors ignore the orientation, bucketlens does not.
    picture = ImageOps.exif_transpose(Image.open(options.picture)).convert("RGB")
    pixels = processor(images=picture, return_tensors="pt")["pixel_values"]
    if hasattr(model, "get_image_features"):
        return unit(model.get_image_features(pixel_values=pixels))
    return unit(model(pixel_values=pixels))


@torch.no_grad()
def text_vector(model, tower, options):
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.reference)
    text = options.text.lower() if tower.get("lowercase") else options.text
    padding = "max_length" if tower.get("pad_to") else False
    tokens = tokenizer(
        text, truncation=True, max_length=tower["max_len"], padding=padding, return_tensors="pt"
    )
    accepted = inspect.signature(model.get_text_features).parameters
    # Models that look at padding (SigLIP) were trained without a mask.
    if not tower.get("mask_input"):
        tokens.pop("attention_mask", None)
    vector = unit(
        model.get_text_features(
            **{name: value for name, value in tokens.items() if name in accepted}
        )
    )
    return vector, tokenizer(text, truncation=True, max_length=tower["max_len"])["input_ids"]


def unit(output):
    values = output if isinstance(output, torch.Tensor) else output.pooler_output
    values = values.double().numpy().reshape(-1)
    return values / np.linalg.norm(values)


def numbers(vector):
    return "[" + ", ".join(f"{value:.7f}" for value in vector[:VALUES]) + "]"


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


if __name__ == "__main__":
    main()
