"""Photographs of any size, from those of the corpus (infra/measure/corpus/unpack.py).

A photograph is a mosaic: the corpus' photographs at their own resolution, side by side, mirrored or
turned at random, so that there is as much detail per pixel as in the originals. Files are JPEG of
quality 90, 4:2:0.
"""

import json
import random
import sys
from pathlib import Path

from PIL import Image, ImageOps

CORPUS = Path(__file__).resolve().parents[3] / ".dev" / "corpus"
# Height of a row of the mosaic: about that of the smallest photograph.
ROW = 400
# The number of different mosaics; further files differ in a comment only, which is equally fast to
# read.
DIFFERENT = 24
TWELVE_MEGAPIXELS = (4000, 3000)


def mosaic(dimensions, seed=1):
    photographs = json.loads((CORPUS / "corpus.json").read_text())["photographs"]
    parts = [Image.open(CORPUS / name).convert("RGB") for name in photographs]
    draw = random.Random(seed)
    whole = Image.new("RGB", dimensions)
    for y in range(0, dimensions[1], ROW):
        x = 0
        while x < dimensions[0]:
            part = draw.choice(parts)
            turn = draw.choice([None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180])
            part = part.transpose(turn) if turn is not None else part
            part = part.crop((0, 0, part.width, min(part.height, ROW)))
            if part.height < ROW:
                part = ImageOps.fit(part, (part.width, ROW), Image.Resampling.LANCZOS)
            whole.paste(part, (x, y))
            x += part.width
    return whole


def write(folder, count, dimensions=TWELVE_MEGAPIXELS):
    """Writes `count` different files and returns their names; keeps those already there."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"photo-{number:05}.jpg" for number in range(count)]
    for number, name in enumerate(names):
        file = folder / name
        if file.exists():
            continue
        first = folder / names[number % DIFFERENT]
        if number < DIFFERENT:
            draft = folder / "draft.jpg"
            mosaic(dimensions, seed=number + 1).save(draft, quality=90, subsampling="4:2:0")
            draft.rename(file)
        else:
            file.write_bytes(commented(first.read_bytes(), f"copy {number}".encode()))
    return names


def commented(jpeg, text):
    """The same file with a comment behind its first marker (ITU-T T.81, B.2.4.5)."""
    return jpeg[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + jpeg[2:]


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
