"""Six pictures of odd shapes, with fine patterns that show how they are resized."""

import math

from PIL import Image

# Name, size as it is seen, EXIF orientation, seed of the pattern.
_PICTURES = [
    ("stripes.png", (97, 61), 1, 1),
    ("turned.jpg", (120, 171), 6, 2),
    ("tall.png", (37, 211), 1, 3),
    ("wide.jpg", (301, 67), 1, 4),
    ("small.png", (5, 7), 1, 5),
    ("fine.png", (240, 181), 1, 6),
]
_ORIENTATION = 0x0112


def draw(folder):
    """Write the pictures and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, (width, height), orientation, seed in _PICTURES:
        picture = Image.new("RGB", (width, height))
        picture.putdata(
            [_pixel(x / width, y / height, x, y, seed) for y in range(height) for x in range(width)]
        )
        file = folder / name
        options = {"optimize": True}
        if name.endswith("jpg"):
            exif = Image.Exif()
            exif[_ORIENTATION] = orientation
            options = {"quality": 90, "subsampling": 0, "exif": exif}
            if orientation == 6:
                # Stored lying, to be turned a quarter clockwise.
                picture = picture.transpose(Image.Transpose.ROTATE_90)
        picture.save(file, **options)
        files.append(file)
    return files


def _pixel(u, v, x, y, seed):
    """A colour that changes across and down, with stripes one to three pixels wide in one half."""
    wave = [
        0.5
        + 0.5
        * math.sin(seed * (c + 1.7) + 5 * u * (1 + (seed + c) % 3) + 4 * v * (1 + (seed * c) % 4))
        for c in range(3)
    ]
    stripe = ((x // (1 + seed % 3)) + (y // 2)) % 2 if (u + v) * 1.3 % 1 < 0.5 else 0.5
    strength = 0.25 + 0.1 * (seed % 3)
    return tuple(
        round(255 * min(1, max(0, w * (1 - strength) + stripe * strength))) & 0xFC for w in wave
    )
