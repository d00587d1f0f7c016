"""A pen that draws in its own units, and the ten things it can draw."""

import math


class Pen:
    """Draws shapes in a local frame: an origin in pixels and pixels per unit."""

    def __init__(self, draw, x, y, scale):
        self.draw, self.x, self.y, self.scale = draw, x, y, scale

    def at(self, x, y, scale):
        """A pen whose origin is (x, y) of this one, with its own unit."""
        origin = self._pixels((x, y))
        return Pen(self.draw, *origin, scale * self.scale)

    def box(self, x0, y0, x1, y1, fill):
        self.draw.rectangle(self._pixels((x0, y0)) + self._pixels((x1, y1)), fill=fill)

    def oval(self, x0, y0, x1, y1, fill):
        self.draw.ellipse(self._pixels((x0, y0)) + self._pixels((x1, y1)), fill=fill)

    def polygon(self, points, fill):
        self.draw.polygon([self._pixels(point) for point in points], fill=fill)

    def arc(self, x0, y0, x1, y1, start, end, fill, width):
        bounds = self._pixels((x0, y0)) + self._pixels((x1, y1))
        self.draw.arc(bounds, start, end, fill=fill, width=self._width(width))

    def line(self, x0, y0, x1, y1, fill, width):
        ends = self._pixels((x0, y0)) + self._pixels((x1, y1))
        self.draw.line(ends, fill=fill, width=self._width(width))

    def _pixels(self, point):
        return (self.x + point[0] * self.scale, self.y + point[1] * self.scale)

    def _width(self, width):
        return max(1, round(width * self.scale))


# Each painter fills about -1..1 around the pen's origin.


def _car(pen, body, dark):
    pen.box(-1, -0.2, 1, 0.4, body)
    pen.polygon([(-0.65, -0.2), (-0.38, -0.68), (0.38, -0.68), (0.65, -0.2)], body)
    pen.polygon([(-0.48, -0.2), (-0.29, -0.56), (0.29, -0.56), (0.48, -0.2)], (190, 220, 240))
    pen.box(-0.04, -0.6, 0.04, -0.2, body)
    for wheel in (-0.52, 0.52):
        pen.oval(wheel - 0.25, 0.17, wheel + 0.25, 0.67, (30, 30, 30))
        pen.oval(wheel - 0.1, 0.32, wheel + 0.1, 0.52, (150, 150, 155))


def _house(pen, body, dark):
    pen.box(-0.7, -0.22, 0.7, 0.8, body)
    pen.polygon([(-0.92, -0.2), (0.92, -0.2), (0, -0.95)], dark)
    pen.box(-0.15, 0.28, 0.15, 0.8, (90, 60, 40))
    pen.box(0.32, 0.05, 0.54, 0.27, (205, 225, 240))


def _tree(pen, body, dark):
    pen.box(-0.12, 0.1, 0.12, 0.92, (100, 65, 35))
    pen.oval(-0.72, -0.6, 0.1, 0.25, body)
    pen.oval(-0.1, -0.6, 0.72, 0.25, body)
    pen.oval(-0.5, -0.97, 0.5, 0.3, body)


def _cat(pen, body, dark):
    pen.polygon([(-0.57, -0.1), (-0.52, -0.95), (-0.08, -0.45)], body)
    pen.polygon([(0.57, -0.1), (0.52, -0.95), (0.08, -0.45)], body)
    pen.oval(-0.64, -0.52, 0.64, 0.62, body)
    for eye in (-0.24, 0.24):
        pen.oval(eye - 0.13, -0.16, eye + 0.13, 0.12, (250, 250, 160))
        pen.oval(eye - 0.04, -0.14, eye + 0.04, 0.1, (20, 20, 20))
    pen.oval(-0.08, 0.16, 0.08, 0.28, (240, 150, 160))
    for side in (-1, 1):
        pen.line(side * 0.2, 0.26, side * 0.72, 0.18, dark, 0.035)
        pen.line(side * 0.2, 0.32, side * 0.7, 0.38, dark, 0.035)


def _fish(pen, body, dark):
    pen.polygon([(0.4, 0), (1, -0.46), (0.88, 0), (1, 0.46)], body)
    pen.oval(-0.8, -0.42, 0.62, 0.42, body)
    pen.arc(-0.6, -0.36, -0.05, 0.36, -60, 60, dark, 0.05)
    pen.oval(-0.58, -0.2, -0.38, 0, (255, 255, 255))
    pen.oval(-0.53, -0.15, -0.43, -0.05, (0, 0, 0))


def _boat(pen, body, dark):
    pen.polygon([(-0.98, 0.14), (0.98, 0.14), (0.62, 0.68), (-0.62, 0.68)], body)
    pen.box(-0.04, -0.95, 0.04, 0.14, (90, 60, 40))
    pen.polygon([(0.09, -0.9), (0.09, 0.05), (0.74, 0.05)], (250, 250, 250))
    pen.polygon([(-0.09, -0.7), (-0.09, 0.05), (-0.55, 0.05)], (232, 232, 236))


def _balloon(pen, body, dark):
    pen.line(0, 0.4, 0, 1.0, (60, 60, 60), 0.05)
    pen.polygon([(-0.12, 0.46), (0.12, 0.46), (0, 0.3)], dark)
    pen.oval(-0.58, -0.9, 0.58, 0.4, body)
    pen.arc(-0.42, -0.72, 0.42, 0.22, 190, 250, dark, 0.05)


def _flower(pen, body, dark):
    pen.box(-0.05, 0.1, 0.05, 0.95, (40, 120, 50))
    pen.oval(0.02, 0.5, 0.42, 0.68, (40, 120, 50))
    for petal in range(6):
        angle = petal * math.pi / 3
        x, y = 0.42 * math.cos(angle), -0.25 + 0.42 * math.sin(angle)
        pen.oval(x - 0.29, y - 0.29, x + 0.29, y + 0.29, body)
    pen.oval(-0.22, -0.47, 0.22, -0.03, (120, 72, 30))


def _star(pen, body, dark):
    points = []
    for corner in range(10):
        length = 0.95 if corner % 2 == 0 else 0.4
        angle = corner * math.pi / 5 - math.pi / 2
        points.append((length * math.cos(angle), length * math.sin(angle)))
    pen.polygon(points, body)


def _ball(pen, body, dark):
    pen.oval(-0.66, -0.66, 0.66, 0.66, body)
    pen.line(-0.64, 0, 0.64, 0, dark, 0.07)
    pen.arc(-1.25, -0.7, -0.05, 0.7, -52, 52, dark, 0.07)
    pen.arc(0.05, -0.7, 1.25, 0.7, 128, 232, dark, 0.07)


OBJECT_PAINTERS = {
    "car": _car,
    "house": _house,
    "tree": _tree,
    "cat": _cat,
    "fish": _fish,
    "boat": _boat,
    "balloon": _balloon,
    "flower": _flower,
    "star": _star,
    "ball": _ball,
}
