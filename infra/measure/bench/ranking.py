"""The quality of a ranked answer against known relevant keys."""

import math
from collections import namedtuple

DEPTH = 10
Quality = namedtuple("Quality", "recall ndcg")


def quality(keys, relevant):
    """Recall and nDCG of the first ten; nDCG weighs early hits more."""
    fit = min(DEPTH, len(relevant))
    found = [place for place, key in enumerate(keys[:DEPTH]) if key in relevant]
    return Quality(len(found) / fit, _gain(found) / _gain(range(fit)))


def _gain(places):
    return sum(1 / math.log2(place + 2) for place in places)


def kept(answers):
    """Of pairs (answered, relevant): mean precision of non-empty answers, and mean recall."""
    found = [(len(set(keys) & relevant), len(keys), len(relevant)) for keys, relevant in answers]
    precisions = [right / shown for right, shown, _ in found if shown]
    return {
        "precision": mean(precisions) if precisions else None,
        "recall": mean(right / wanted for right, _, wanted in found),
        "empty": len(found) - len(precisions),
    }


def mean(values):
    values = list(values)
    return sum(values) / len(values)
