"""Objects with hostile keys, metadata or bytes."""

import struct
import zlib
from io import BytesIO

from PIL import ExifTags, Image

MARKUP = "<img src=x onerror=alert(1)>"
# Keys of good pictures.
NAMES = (
    f"hostile/{MARKUP}.jpg",
    "hostile/<script>alert(document.domain)</script>.jpg",
    "hostile/\"onmouseover='alert(1)' x=\".jpg",
    "hostile/%2e%2e%2f%2e%2e%2fetc%2fpasswd.jpg",
    "hostile/{{7*7}}${7*7}'; DROP TABLE images;--.jpg",
    "hostile/\u202egpj.exe.jpg",
)


def pictures():
    """Bytes by key of pictures that can be indexed."""
    return {key: picture(number) for number, key in enumerate(NAMES)}


def picture(number):
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "<script>alert(2)</script>", MARKUP
    exif[ExifTags.Base.ImageDescription] = MARKUP
    file = BytesIO()
    Image.new("RGB", (96, 64), (40 * number, 90, 255 - 40 * number)).save(file, "JPEG", exif=exif)
    return file.getvalue()


def broken():
    """Bytes by key of files that look like pictures and are none."""
    whole = picture(1)
    return {
        f"hostile/broken {MARKUP}.jpg": b"<html><script>alert(1)</script></html>",
        "hostile/cut off.jpg": whole[: len(whole) // 3],
        "hostile/bomb.png": bomb(),
    }


def bomb():
    """A PNG that claims 3.6 billion pixels."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(100_000)))
        + chunk(b"IEND", b"")
    )
