"""Searches one after the other while nothing is written: by a vector, under filters, by words."""

import statistics
from collections import namedtuple

from latency import percentile
from searches import beside
from searches.client import checked
from searches.filters import Filter
from searches.truth import recall

ROUNDS = 3
# Each filter is asked in so many turns with the others and with none.
FILTER_TURNS = 4
WARM_UP = 20
ONLY_PICTURES = {"image": 1.0, "caption_vector": 0.0, "text": 0.0}

# Seconds by the client's clock and the server's, and the rows found.
Asked = namedtuple("Asked", "client server found")


class Asking:
    """Searches over one connection."""

    def __init__(self, searcher):
        self.searcher, self.client = searcher, searcher.client()

    def warm_up(self):
        last = len(self.searcher.generated.queries) - 1
        for number in range(WARM_UP):
            checked(self.client.search(self.searcher.vector(last - number)), "a search")

    def vectors(self, numbers, more=lambda number: {}):
        result = Asked([], [], [])
        for number in numbers:
            self.add(result, self.searcher.vector(number, **more(number)))
        return result

    def texts(self, texts, **more):
        result = Asked([], [], [])
        for text in texts:
            self.add(result, {"text": text, "top_k": 10, **more})
        return result

    def content(self, search):
        return checked(self.client.search(search), f"the search for {search['text']}")

    def add(self, result, search):
        answer = self.client.search(search)
        content = checked(answer, f"the search for {search.get('text', 'a vector')}")
        row_of = self.searcher.generated.row_of
        result.client.append(answer.seconds)
        result.server.append(content["took_ms"] / 1000)
        result.found.append([row_of(hit["image_id"]) for hit in content["hits"]])


def joined(parts):
    return Asked(*(sum(values, []) for values in zip(*parts, strict=True)))


def vectors(bench):
    """A vector, no filter, in turns with faiss and the table library."""
    faiss = beside.Faiss(bench.generated, bench.say)
    lance = beside.LanceDb(bench.generated, bench.searcher.tables())
    tuning = range(bench.truth.queries - 50, bench.truth.queries)
    chosen = {
        "faiss": beside.choose(faiss, beside.FAISS, tuning, bench.truth, bench.say, "faiss"),
        "lancedb": beside.choose(lance, beside.LANCEDB, tuning, bench.truth, bench.say, "LanceDB"),
    }
    asking, took, ours = Asking(bench.searcher), {"faiss": [], "lancedb": []}, []
    found = {"faiss": [], "lancedb": []}
    for turn in range(ROUNDS):
        bench.say(f"vectors, round {turn + 1} of {ROUNDS}")
        numbers = range(turn * bench.queries, (turn + 1) * bench.queries)
        asking.warm_up()
        ours.append(asking.vectors(numbers))
        for name, other in (("faiss", faiss), ("lancedb", lance)):
            seconds, rows = other.ask(numbers, chosen[name].setting)
            took[name] += seconds
            found[name] += rows
    ours = joined(ours)
    right = [bench.truth.nearest(number) for number in range(ROUNDS * bench.queries)]
    return {
        "recall": recall(ours.found, right),
        "client": summary(ours.client),
        "server": summary(ours.server),
        **{
            name: {
                **summary(took[name]),
                "setting": list(chosen[name].setting),
                "recall": recall(found[name], right),
            }
            for name in took
        },
        "faiss_form": faiss.form,
    }


def filters(bench):
    """A vector under each filter, in turns with all others and with no filter."""
    asking, groups = Asking(bench.searcher), bench.truth.groups
    unfiltered, filtered = [], {group: [] for group in groups}
    asking.warm_up()
    each = bench.truth.filtered // FILTER_TURNS
    for turn in range(FILTER_TURNS):
        bench.say(f"filters, turn {turn + 1} of {FILTER_TURNS}")
        numbers = range(turn * each, (turn + 1) * each)
        unfiltered.append(asking.vectors(numbers))
        for kind, share in groups:

            def more(number, kind=kind, share=share):
                return {"filter": bench.truth.filters.json(Filter(kind, share, number))}

            filtered[kind, share].append(asking.vectors(numbers, more))
    base = percentile(joined(unfiltered).client, 0.95)
    results = []
    for kind, share in groups:
        asked = joined(filtered[kind, share])
        numbers = range(len(asked.found))
        right = [bench.truth.nearest_kept(kind, share, number) for number in numbers]
        results.append(
            {
                "share": share,
                "kind": kind,
                "recall": recall(asked.found, right),
                "p95_over_unfiltered": percentile(asked.client, 0.95) / base,
                "kept": bench.truth.kept_share(kind, share),
                "p50_ms": statistics.median(asked.client) * 1000,
                "p95_ms": percentile(asked.client, 0.95) * 1000,
            }
        )
    return {"unfiltered_p95_ms": base * 1000, "filtered": results}


def hybrid(bench):
    """Words that were never asked, by all signals and by pictures alone, and vectors: the
    difference of the last two is what encoding a text takes."""
    asking, before = Asking(bench.searcher), bench.searcher.text_encoding_s()
    asking.warm_up()
    took = {"hybrid": [], "text, pictures only": [], "vector": []}
    for turn in range(ROUNDS):
        bench.say(f"words, round {turn + 1} of {ROUNDS}")
        numbers = range(turn * bench.queries, (turn + 1) * bench.queries)
        took["hybrid"] += asking.texts(bench.fresh_texts(bench.queries)).client
        pictures = asking.texts(bench.fresh_texts(bench.queries), weights=ONLY_PICTURES)
        took["text, pictures only"] += pictures.client
        took["vector"] += asking.vectors(numbers).client
    after = bench.searcher.text_encoding_s()
    metric = (after[0] - before[0]) / (after[1] - before[1]) * 1000 if before and after else None
    p50 = {name: statistics.median(values) * 1000 for name, values in took.items()}
    text_ms = p50["text, pictures only"] - p50["vector"]
    return {
        "hybrid_ms": p50["hybrid"],
        "hybrid_p99_ms": percentile(took["hybrid"], 0.99) * 1000,
        "text_ms": text_ms,
        "text_ms_by_metric": metric,
        "hybrid_ms_beyond_text": p50["hybrid"] - text_ms,
        "p50_ms": p50,
    }


def summary(seconds):
    return {f"p{share}_ms": percentile(seconds, share / 100) * 1000 for share in (50, 95, 99)}
