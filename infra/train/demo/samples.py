"""Pictures as buckets hold them, and the input of the vision tower."""

import io
import math

import numpy as np
from PIL import Image

from scenes import render
from towers import PIXELS

MEAN = STD = 0.5

# Training draws mostly small pictures: the time grows with the area, and little
# of the size remains after the squash.
SHORT_SIDES = ((112, 192), (192, 384), (384, 640))


def pixels(image):
    """The product's preprocessing: squash to a small square, scale to -1..1.

    Pillow's bicubic filter averages when it shrinks, which is the antialiasing
    the product does as well.
    """
    square = image.convert("RGB").resize((PIXELS, PIXELS), Image.Resampling.BICUBIC)
    values = np.asarray(square, dtype=np.float32) / 255
    return ((values - MEAN) / STD).transpose(2, 0, 1)


def training_picture(scene, rng):
    """A picture with the wear of real files: any size, many shapes, JPEG artefacts."""
    short = rng.choices(SHORT_SIDES, weights=(16, 3, 1))[0]
    image = render(scene, rng, _size(rng.randint(*short), rng))
    if rng.random() < 0.5:
        image = through_jpeg(image, rng.randint(40, 95))
    if rng.random() < 0.3:
        image = _exposed(image, rng)
    return image


def stored_picture(scene, rng):
    """What a bucket would hold: larger, mildly compressed. Used to measure recall."""
    image = render(scene, rng, _size(rng.randint(384, 640), rng))
    return through_jpeg(image, rng.randint(75, 95))


def through_jpeg(image, quality):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def _size(short, rng):
    """Square, or stretched in one direction up to about 16:10."""
    if rng.random() < 0.5:
        return (short, short)
    long = round(short * math.exp(rng.uniform(0, 0.47)))
    return (long, short) if rng.random() < 0.6 else (short, long)


def _exposed(image, rng):
    """Slightly brighter or darker, as another decoder or colour profile might be."""
    gain, lift = rng.uniform(0.93, 1.07), rng.uniform(-6, 6)
    return image.point(lambda value: value * gain + lift)
