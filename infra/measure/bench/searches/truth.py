"""The true nearest ten rows, by comparing all of them."""

import numpy as np

from searches.filters import KINDS, Filter, Filters

TOP = 10
BLOCK = 65_536


class Truth:
    """For the first vectors to ask: their nearest rows, and under each filter those of `filtered`
    of them. Kept in a file beside the rows."""

    def __init__(self, generated, queries, filtered):
        self.generated, self.filters = generated, Filters(generated)
        self.queries, self.filtered = queries, filtered
        self.groups = [(kind, share) for kind in KINDS for share in self.filters.shares]
        file = generated.folder / f"truth-{queries}-{filtered}.npz"
        if not file.exists():
            np.savez(file, **self.compare())
        self.known = dict(np.load(file))

    def nearest(self, number):
        """Rows nearest to the vector of this number."""
        return self.known["all"][number]

    def nearest_kept(self, kind, share, number):
        rows = self.known[name(kind, share)][number]
        return rows[rows >= 0]

    def kept_share(self, kind, share):
        """The share of all rows that these filters keep, on average over the vectors."""
        return float(self.known["kept"][self.groups.index((kind, share))]) / self.generated.rows

    def compare(self):
        data = self.generated
        asked = np.asarray(data.queries[: self.queries])
        best = {"all": Best(self.queries)}
        best |= {name(kind, share): Best(self.filtered) for kind, share in self.groups}
        kept = np.zeros(len(self.groups))
        for begin in range(0, data.rows, BLOCK):
            rows = slice(begin, min(begin + BLOCK, data.rows))
            scores = asked @ np.asarray(data.vectors[rows]).T
            for number in range(self.queries):
                best["all"].add(number, scores[number], begin)
            for group, (kind, share) in enumerate(self.groups):
                for number in range(self.filtered):
                    inside = self.filters.keeps(Filter(kind, share, number), rows)
                    kept[group] += inside.sum() / self.filtered
                    places = np.flatnonzero(inside)
                    best[name(kind, share)].add(number, scores[number, places], begin, places)
        return {**{key: each.rows for key, each in best.items()}, "kept": kept}


class Best:
    """The rows with the highest scores so far, the best first; -1 where there are too few."""

    def __init__(self, queries):
        self.rows = np.full((queries, TOP), -1, np.int64)
        self.scores = np.full((queries, TOP), -np.inf, np.float32)

    def add(self, number, scores, begin, places=None):
        first = np.arange(len(scores))
        if len(scores) > TOP:
            first = np.argpartition(scores, -TOP)[-TOP:]
        rows = begin + (first if places is None else places[first])
        rows = np.concatenate([self.rows[number], rows])
        scores = np.concatenate([self.scores[number], scores[first]])
        order = np.argsort(-scores, kind="stable")[:TOP]
        self.rows[number], self.scores[number] = rows[order], scores[order]


def name(kind, share):
    return f"{kind} {share}"


def recall(found, right):
    """Of pairs (rows found, right rows): the mean share of right rows that were found."""
    shares = [
        len(set(rows) & set(expected.tolist())) / len(expected)
        for rows, expected in zip(found, right, strict=True)
        if len(expected)
    ]
    return sum(shares) / len(shares)
