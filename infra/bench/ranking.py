"""How good a ranked answer is when the right ones are known."""

import math
from collections import namedtuple

DEPTH = 10
Quality = namedtuple("Quality", "recall ndcg")


def quality(keys, relevant):
    """Of the first ten: the share found of the relevant ones that fit in, and nDCG, where an early hit counts more."""
    fit = min(DEPTH, len(relevant))
    found = [place for place, key in enumerate(keys[:DEPTH]) if key in relevant]
    return Quality(len(found) / fit, _gain(found) / _gain(range(fit)))


def _gain(places):
    return sum(1 / math.log2(place + 2) for place in places)


def precision_recall(keys, relevant):
    """Of everything that was answered. An empty answer says nothing false, so its precision is one."""
    found = len(set(keys) & relevant)
    return (found / len(keys) if keys else 1.0), found / len(relevant)


def mean(values):
    values = list(values)
    return sum(values) / len(values)
