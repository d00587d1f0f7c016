"""The demo's small world: 1,200 scenes that can be drawn, described and searched.

A scene is one choice of place, time of day, object and colour. Because every
picture is drawn from its scene, the right answer to every search is known.
`captions.py` holds the words, this file holds the pictures and the split.
"""

import random
from dataclasses import dataclass
from itertools import product

import numpy as np
from PIL import Image, ImageDraw

from shapes import OBJECT_PAINTERS, Pen

PLACES = ("beach", "forest", "city", "mountain", "desert")
TIMES = ("day", "sunset", "night")
OBJECTS = (
    "car", "house", "tree", "cat", "fish",
    "boat", "balloon", "flower", "star", "ball",
)  # fmt: skip
PAINT = {
    "red": (214, 40, 40),
    "orange": (247, 127, 0),
    "yellow": (252, 211, 30),
    "green": (46, 160, 67),
    "blue": (35, 90, 220),
    "purple": (130, 50, 180),
    "white": (245, 245, 245),
    "black": (20, 20, 20),
}
COLOURS = tuple(PAINT)


@dataclass(frozen=True)
class Scene:
    """One combination of the four attributes; the field order is used throughout."""

    place: str
    time: str
    object: str
    colour: str

    def attributes(self):
        return (self.place, self.time, self.object, self.colour)


ATTRIBUTES = (PLACES, TIMES, OBJECTS, COLOURS)
SCENES = tuple(Scene(*choice) for choice in product(*ATTRIBUTES))


def is_held_out(scene):
    """Whether the scene is kept away from training.

    The sum modulo four holds out two of the eight colours for every place,
    time and object, so that the 300 held-out scenes are balanced and every
    pair of attributes still occurs in training.
    """
    place, time, thing, colour = (
        values.index(value) for values, value in zip(ATTRIBUTES, scene.attributes())
    )
    return (place + 2 * time + 3 * thing + colour + colour // 4) % 4 == 0


HELD_OUT = tuple(scene for scene in SCENES if is_held_out(scene))
TRAINING = tuple(scene for scene in SCENES if not is_held_out(scene))


def seeded(*parts):
    """A `random.Random` that depends on all the parts and on nothing else."""
    return random.Random("/".join(str(part) for part in parts))


# Pillow draws hard edges; drawing larger and averaging makes them smooth.
SUPERSAMPLING = 2

SKY = {
    "day": ((105, 178, 238), (190, 224, 245)),
    "sunset": ((236, 112, 78), (255, 184, 104)),
    "night": ((10, 12, 44), (28, 34, 84)),
}
GROUND_LIGHT = {"day": (1, 1, 1), "sunset": (1, 0.8, 0.7), "night": (0.4, 0.42, 0.6)}
# Weaker than the light on the ground: a white thing must stay white at sunset.
OBJECT_LIGHT = {
    "day": (1, 1, 1),
    "sunset": (1, 0.93, 0.88),
    "night": (0.82, 0.82, 0.9),
}
FLOATING = ("balloon", "star")


def render(scene, rng, size=512):
    """Draw `scene` as an RGB picture.

    `size` is the side of a square or a `(width, height)` pair. Every random
    choice comes from `rng` (a `random.Random`) and none depends on the number
    of pixels, so one seed gives the same picture at every resolution.
    """
    width, height = (size, size) if isinstance(size, int) else size
    unit = min(width, height)
    right, bottom = width / unit, height / unit
    pixels = (width * SUPERSAMPLING, height * SUPERSAMPLING)

    image = _sky(scene.time, pixels, rng)
    pen = Pen(ImageDraw.Draw(image), 0, 0, unit * SUPERSAMPLING)
    horizon = bottom * rng.uniform(0.46, 0.56)

    def shade(colour):
        return _times(_jitter(colour, rng), GROUND_LIGHT[scene.time])

    _lights(scene.time, pen, right, horizon, rng)
    ground = _PLACE_PAINTERS[scene.place](pen, right, bottom, horizon, shade, scene.time, rng)
    _thing(scene, pen, right, bottom, horizon, ground, rng)
    return image.reduce(SUPERSAMPLING)


def _jitter(colour, rng, amount=14):
    return tuple(min(255, max(0, part + rng.randint(-amount, amount))) for part in colour)


def _times(colour, factors):
    return tuple(min(255, int(part * factor)) for part, factor in zip(colour, factors))


def _sky(time, pixels, rng):
    top, low = (_jitter(colour, rng) for colour in SKY[time])
    column = np.linspace(top, low, pixels[1]).astype(np.uint8)[:, None, :]
    return Image.fromarray(column).resize(pixels, Image.Resampling.NEAREST)


def _lights(time, pen, right, horizon, rng):
    """Sun, moon, stars and clouds: the plainest signs of the time of day."""
    if time == "night":
        for _ in range(round(14 * right)):
            x, y = rng.uniform(0, right), rng.uniform(0, horizon - 0.06)
            pen.box(x, y, x + 0.009, y + 0.009, (240, 240, 220))
        x, y = rng.uniform(0.06, right - 0.18), rng.uniform(0.04, 0.09)
        pen.oval(x, y, x + 0.125, y + 0.125, (240, 240, 210))
        pen.oval(x + 0.03, y + 0.03, x + 0.055, y + 0.055, (214, 214, 186))
    elif time == "sunset":
        x = rng.uniform(0.06, right - 0.3)
        pen.oval(x, horizon - 0.2, x + 0.235, horizon + 0.035, (255, 225, 120))
    else:
        x, y = rng.uniform(0.06, right - 0.2), rng.uniform(0.03, 0.08)
        pen.oval(x, y, x + 0.14, y + 0.14, (255, 240, 120))
        for _ in range(rng.randint(0, 2)):
            _cloud(pen, rng.uniform(0, right), rng.uniform(0.08, 0.28))


def _cloud(pen, x, y):
    for dx, dy, r in ((-0.06, 0, 0.028), (0, -0.014, 0.042), (0.06, 0, 0.03)):
        pen.oval(x + dx - r * 1.4, y + dy - r, x + dx + r * 1.4, y + dy + r, (248, 250, 252))


# Each place paints its ground and returns the ground's colour.


def _beach(pen, right, bottom, horizon, shade, time, rng):
    shore = horizon + 0.05
    pen.box(0, horizon - 0.11, right, shore, shade((40, 110, 190)))
    wave = shade((150, 195, 225))
    for _ in range(3):
        x, y = rng.uniform(0, right), rng.uniform(horizon - 0.09, shore - 0.03)
        pen.box(x, y, x + 0.09, y + 0.008, wave)
    sand = shade((235, 210, 150))
    pen.box(0, shore, right, bottom, sand)
    return sand


def _forest(pen, right, bottom, horizon, shade, time, rng):
    grass = shade((60, 120, 50))
    pen.box(0, horizon, right, bottom, grass)
    x = -0.04
    while x < right + 0.06:
        top = horizon - rng.uniform(0.2, 0.32)
        middle = (top + horizon) / 2
        needles = shade((25, 90, 40))
        for half, foot, tip in (
            (0.1, horizon + 0.03, middle - 0.06),
            (0.075, middle + 0.03, top),
        ):
            pen.polygon([(x - half, foot), (x + half, foot), (x, tip)], needles)
        x += rng.uniform(0.1, 0.2)
    return grass


def _city(pen, right, bottom, horizon, shade, time, rng):
    window = (200, 220, 240) if time == "day" else (250, 230, 120)
    x = 0
    while x < right:
        width = rng.uniform(0.11, 0.19)
        top = horizon - rng.uniform(0.15, 0.36)
        pen.box(x, top, x + width - 0.015, horizon, shade((120, 120, 135)))
        y = top + 0.03
        while y < horizon - 0.04:
            for column in (0.25, 0.6):
                left = x + column * width
                pen.box(left, y, left + 0.022, y + 0.026, window)
            y += 0.062
        x += width
    road = shade((95, 95, 100))
    pen.box(0, horizon, right, bottom, road)
    return road


def _mountain(pen, right, bottom, horizon, shade, time, rng):
    for _ in range(round(3 * right)):
        x, half = rng.uniform(0, right), rng.uniform(0.2, 0.31)
        peak = (x, horizon - half)
        pen.polygon([(x - half, horizon), (x + half, horizon), peak], shade((110, 115, 130)))
        cap = half / 3
        foot = horizon - half + cap
        snow = [(x - cap, foot), (x, foot - cap / 3), (x + cap, foot), peak]
        pen.polygon(snow, shade((250, 250, 255)))
    field = shade((232, 238, 248))
    pen.box(0, horizon, right, bottom, field)
    return field


def _desert(pen, right, bottom, horizon, shade, time, rng):
    sand = shade((222, 170, 90))
    pen.box(0, horizon, right, bottom, sand)
    x = rng.uniform(-0.15, right - 0.45)
    pen.oval(x, horizon - 0.07, x + 0.7, horizon + 0.24, shade((236, 187, 108)))
    pen.box(0, horizon + 0.085, right, bottom, sand)
    cactus = shade((40, 130, 60))
    stem = pen.at(rng.choice((0.1, right - 0.1)), horizon + 0.06, 0.2)
    stem.box(-0.1, -1.1, 0.1, 0, cactus)
    stem.box(-0.36, -0.72, 0.1, -0.58, cactus)
    stem.box(-0.36, -0.9, -0.22, -0.58, cactus)
    stem.box(0.1, -0.5, 0.36, -0.36, cactus)
    stem.box(0.22, -0.78, 0.36, -0.36, cactus)
    return sand


_PLACE_PAINTERS = {
    "beach": _beach,
    "forest": _forest,
    "city": _city,
    "mountain": _mountain,
    "desert": _desert,
}


def _thing(scene, pen, right, bottom, horizon, ground, rng):
    """Paint the scene's object, fully inside the picture."""
    radius = rng.uniform(0.16, 0.235)
    x = rng.uniform(radius + 0.05, right - radius - 0.05)
    floating = scene.object in FLOATING
    if floating:
        y = rng.uniform(radius + 0.04, horizon + 0.04)
    else:
        y = rng.uniform(horizon + 0.05, bottom - radius - 0.02)

    body = _times(_jitter(PAINT[scene.colour], rng, 10), OBJECT_LIGHT[scene.time])
    dark = _times(body, (0.62, 0.62, 0.62))
    # A rim keeps white things visible on snow and black ones at night.
    rim = (112, 112, 120) if scene.colour == "black" else _times(body, (0.45, 0.45, 0.45))

    painter = OBJECT_PAINTERS[scene.object]
    if not floating:
        shadow = _times(ground, (0.8, 0.8, 0.8))
        pen.at(x, y, radius).oval(-0.95, 0.55, 0.95, 1.0, shadow)
    painter(pen.at(x, y, radius * 1.06), rim, rim)
    painter(pen.at(x, y, radius), body, dark)
