"""Filters that keep known shares of the rows: by keywords, dates, key prefix and place.

Dates and places move from search to search, so that no filter is asked for twice; a keyword or a
prefix is the same each time, as when people look into one folder again and again.
"""

import datetime
from collections import namedtuple

import numpy as np

KINDS = ("keywords", "dates", "prefix", "place")
# Shares of rows without a date, and without a place.
UNDATED, UNPLACED = 0.05, 0.1

Filter = namedtuple("Filter", "kind share number")


class Filters:
    def __init__(self, generated):
        self.about = generated.about
        self.shares = self.about["shares"]
        column = generated.column
        self.taken = column("taken.i64", np.int64)
        self.places = column("places.f64", np.float64, 2)
        self.folders = column("folders.u8", np.uint8)
        self.keywords = column("keywords.u8", np.uint8)

    def json(self, asked):
        """The filter as a search has it."""
        return getattr(self, f"_{asked.kind}")(asked)[0]

    def keeps(self, asked, rows):
        """Which of these rows (a slice) the filter keeps."""
        return getattr(self, f"_{asked.kind}")(asked)[1](rows)

    def _keywords(self, asked):
        place = self.shares.index(asked.share)
        bit = np.uint8(1 << place)
        return (
            {"keywords": [self.about["keywords"][place]]},
            lambda rows: self.keywords[rows] & bit != 0,
        )

    def _prefix(self, asked):
        place = self.shares.index(asked.share)
        return (
            {"prefix": f"{self.about['folders'][place]}/"},
            lambda rows: self.folders[rows] == place,
        )

    def _dates(self, asked):
        within = self.about["taken_within_s"]
        length = int(within * asked.share / (1 - UNDATED))
        first = int((within - length) * moved(asked.number, 0))
        last = first + length
        return (
            {"taken_after": moment(first), "taken_before": moment(last)},
            lambda rows: (self.taken[rows] >= first) & (self.taken[rows] < last),
        )

    def _place(self, asked):
        side = (asked.share / (1 - UNPLACED)) ** 0.5
        box = []
        for axis, name in enumerate(("latitudes", "longitudes")):
            least, most = self.about[name]
            length = (most - least) * side
            low = least + (most - least - length) * moved(asked.number, 1 + axis)
            # So that both sides read the same number.
            box += [round(low, 6), round(low + length, 6)]
        south, north, west, east = box

        def inside(rows):
            # Comparisons with no number are false.
            places = self.places[rows]
            return ((places >= (south, west)) & (places <= (north, east))).all(axis=1)

        return {"place": {"south": south, "north": north, "west": west, "east": east}}, inside


def moved(number, axis):
    """A share from 0 to 1 that differs by number, evenly spread."""
    return (number * (0.618034, 0.754878, 0.569840)[axis]) % 1


def moment(second):
    utc = datetime.timezone.utc
    return datetime.datetime.fromtimestamp(second, utc).strftime("%Y-%m-%dT%H:%M:%SZ")
