"""Writes the pictures of these tests that the image crate cannot write itself.

    python -m venv venv
    venv/bin/pip install pillow==13.0.0 pillow-jxl-plugin==1.3.8 pillow-heif==1.8.1
    venv/bin/python make.py

Each is 24 x 16: left half red, right half blue.
"""

import pathlib

import pillow_heif
import pillow_jxl  # noqa: F401, teaches Pillow to write JPEG XL
from PIL import Image

pillow_heif.register_heif_opener()
HERE = pathlib.Path(__file__).parent
RED, BLUE = (255, 0, 0), (0, 0, 255)


def halves(left, right):
    picture = Image.new("RGB", (24, 16), left)
    picture.paste(right, (12, 0, 24, 16))
    return picture


picture = halves(RED, BLUE)
picture.convert("CMYK").save(HERE / "cmyk.jpg", quality=95)
picture.save(HERE / "progressive.jpg", quality=95, progressive=True)
picture.quantize(4).save(HERE / "palette.png")
picture.save(HERE / "interlaced.gif", interlace=1)
picture.save(HERE / "lossy.webp", quality=95)
mirrored = [halves(BLUE, RED)]
picture.save(HERE / "animated.webp", save_all=True, append_images=mirrored, lossless=True)
picture.save(HERE / "animated.gif", save_all=True, append_images=mirrored, duration=100)
picture.save(HERE / "deflate.tiff", compression="tiff_adobe_deflate")
picture.save(HERE / "lossy.jxl", quality=95)
picture.save(HERE / "lossless.jxl", lossless=True, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")
picture.quantize(4).save(HERE / "palette.bmp")
picture.save(HERE / "plain.tiff")
picture.save(HERE / "plain.heic", quality=95)
picture.save(HERE / "plain.avif", quality=95)
clear = picture.convert("RGBA")
clear.putalpha(0)
clear.save(HERE / "transparent.avif", quality=95)
