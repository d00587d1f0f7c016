"""Writes a folder of pictures whose true captions are known.

    python infra/dev/demo/pictures.py OUT_DIR [--count 300] [--seed N]

Only scenes that the demo model never saw in training are drawn, each once
before any is drawn again. File names say nothing about the content; the truth
is in OUT_DIR/captions.json.
"""

import argparse
import json
from datetime import datetime, timedelta
from pathlib import Path

from PIL import ExifTags, Image

from captions import LANGUAGES, sentence
from scenes import HELD_OUT, render, seeded

# Width, height and weight: mostly squares, some as cameras and phones take them.
SIZES = (
    ((512, 512), 6),
    ((448, 448), 3),
    ((384, 384), 3),
    ((640, 480), 3),
    ((480, 640), 2),
    ((600, 400), 2),
    ((420, 560), 1),
)
FORMATS = (("jpg", 80), ("png", 12), ("webp", 8))
CAMERAS = (
    ("Lumen", "Lumen P3"),
    ("Lumen", "Lumen P5 Pro"),
    ("Kestrel Optics", "KO-70"),
    ("Hoshi", "Hoshi Mini 2"),
)
# For each EXIF orientation: the turn that a viewer makes, and its reverse, in which the file is
# stored.
STORED_FOR_ORIENTATION = {
    6: Image.Transpose.ROTATE_90,  # the viewer turns it clockwise
    8: Image.Transpose.ROTATE_270,  # the viewer turns it counter-clockwise
}
FIRST_DAY = datetime(2025, 1, 3)
DAYS = 540
HOURS = {"day": (9, 15), "sunset": (18, 19), "night": (21, 23)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    entries = write_pictures(arguments.out_dir, arguments.count, arguments.seed)
    truth = json.dumps(entries, ensure_ascii=False, indent=1)
    (arguments.out_dir / "captions.json").write_text(truth + "\n", encoding="utf-8")
    print(f"{len(entries)} pictures in {arguments.out_dir}")


def write_pictures(out_dir, count, seed):
    """Write the files; returns one entry per picture for captions.json."""
    order = list(HELD_OUT)
    seeded("order", seed).shuffle(order)
    entries = []
    for index in range(count):
        scene = order[index % len(order)]
        # A generator per picture: a larger count leaves the first ones unchanged.
        rng = seeded("picture", seed, index)
        taken = _moment(scene, index, rng)
        ending = _weighted(FORMATS, rng)
        key = f"{taken:%Y/%m}/scene-{index + 1:04}.{ending}"
        file = out_dir / key
        file.parent.mkdir(parents=True, exist_ok=True)
        _save(render(scene, rng, _weighted(SIZES, rng)), file, ending, taken, rng)
        entries.append(_entry(key, scene))
    return entries


def _entry(key, scene):
    return {
        "key": key,
        **{language: sentence(scene, language) for language in LANGUAGES},
        "place": scene.place,
        "time": scene.time,
        "object": scene.object,
        "colour": scene.colour,
    }


def _weighted(choices, rng):
    values, weights = zip(*choices)
    return rng.choices(values, weights)[0]


def _moment(scene, index, rng):
    """A plausible moment: later pictures are taken on later days, by the light shown."""
    day = FIRST_DAY + timedelta(days=index % len(HELD_OUT) * DAYS // len(HELD_OUT))
    return day.replace(
        hour=rng.randint(*HOURS[scene.time]),
        minute=rng.randrange(60),
        second=rng.randrange(60),
    )


def _save(image, file, ending, taken, rng):
    if ending == "png":
        image.save(file, "PNG")
    elif ending == "webp":
        image.save(file, "WEBP", quality=rng.randint(78, 90))
    else:
        _save_jpeg(image, file, taken, rng)


def _save_jpeg(image, file, taken, rng):
    """Two thirds carry EXIF data, about one in twelve also a turned sensor."""
    quality = rng.randint(76, 94)
    chance = rng.random()
    if chance < 0.34:
        image.save(file, "JPEG", quality=quality)
        return
    orientation = 1
    if chance > 0.92:
        orientation = rng.choice(tuple(STORED_FOR_ORIENTATION))
        image = image.transpose(STORED_FOR_ORIENTATION[orientation])

    moment = f"{taken:%Y:%m:%d %H:%M:%S}"
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = rng.choice(CAMERAS)
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.DateTime] = moment
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = moment
    image.save(file, "JPEG", quality=quality, exif=exif)


if __name__ == "__main__":
    main()
