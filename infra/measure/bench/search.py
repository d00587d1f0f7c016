"""Measures how well searches find: by picture, by caption, by words, and by all together.

    just bench search [--profile release|dev] [--distractors N] [--json FILE]

Draws 600 pictures whose keys carry words, lets the real chain index and caption them, and asks 216
searches whose right answers are known, then some that match nothing and some that match very many.
Asks them once more when 100,000 rows that answer none of them are in the tables too. Prints tables
and writes all numbers to .dev/bench-search/result.json.
"""

import argparse
import datetime
import json
from pathlib import Path

import albums
import distractors
import labels
import outcome
import session
import usage
from chain import (
    COUNTING_FRESHNESS,
    POLL_INTERVAL,
    Chain,
    Model,
    Search,
    depth,
    processes,
    stack,
    upload,
    wait_for,
)
from progress import say
from ranking import DEPTH, kept, mean, quality

HOME = stack.DEV / "bench-search"
MODEL = Model("demo-clip", "demo-clip", "demo model")
TABLES = ("images", "embeddings_demo-clip", "captions_demo-captioner")
ONE = {"image": 0.0, "caption_vector": 0.0, "text": 0.0}
# Fields of a search beside its text; without any, the defaults hold.
MODES = {
    "image vector": {"weights": {**ONE, "image": 1.0}},
    "caption vector": {"weights": {**ONE, "caption_vector": 1.0}},
    "text": {"weights": {**ONE, "text": 1.0}},
    "hybrid": {},
}
# So large that most answers come in one page.
PAGE = 500


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", choices=("release", "dev"), default="release")
    parser.add_argument(
        "--distractors",
        type=int,
        help="further rows in the second round; 0: no such round (100,000; dev builds: 10,000)",
    )
    parser.add_argument("--json", type=Path, help="write the numbers to this file too")
    arguments = parser.parse_args()
    if arguments.distractors is None:
        arguments.distractors = 100_000 if arguments.profile == "release" else 10_000
    result = session.run(lambda: measure(arguments), HOME, [HOME / "chain"])
    if arguments.json:
        arguments.json.write_text(
            json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    tables = [table(result["modes"]), cutoff_table(result["cutoff"])]
    if more := result["among_distractors"]:
        tables.append(f"Among {more['rows']:,} rows of {more['scenes']} other scenes:")
        tables += [table(more["modes"]), cutoff_table(more["cutoff"])]
    print("\n\n".join((*tables, conditions(result["about"]))))
    outcome.print_line("search", result)


def measure(arguments):
    programs = session.build(arguments.profile, "--example", "rows")
    bucket = albums.pictures()
    albums.draw(HOME / "pictures", bucket)
    chain = Chain(HOME / "chain", programs, MODEL)
    search = index(chain, bucket)
    queries = labels.labelled(bucket)

    def ask(text, **more):
        return answer(search, text, **more)

    about = {
        "processor": usage.processor(),
        "cores": usage.cores(),
        "profile": arguments.profile,
        "pictures": len(bucket),
    }
    about |= {"queries": len(queries), "date": datetime.date.today().isoformat()}
    result = {
        "about": about,
        "modes": compare(ask, queries),
        "cutoff": cut(ask, queries, labels.nothing(), labels.broad(bucket)),
        "among_distractors": None,
    }
    if count := arguments.distractors:
        scenes = distractors.add(chain, HOME / "distractors", queries, count, say)
        # The other rows, too, are right answers to the broad ones.
        result["among_distractors"] = {
            "rows": count,
            "scenes": scenes,
            "modes": compare(ask, queries),
            "cutoff": cut(ask, queries, labels.nothing(), []),
        }
    return result


def index(chain, bucket):
    """Returns the searcher once every picture is in every table."""
    chain.run("ingest", WATCH__POLL_INTERVAL=POLL_INTERVAL, STAGES__CAPTIONERS="demo-captioner")
    search = Search(chain.run("searcher", SEARCH__FRESHNESS=COUNTING_FRESHNESS))
    chain.run("embedder")
    chain.run(
        "captioner",
        **{name.removeprefix("BUCKETLENS__"): value for name, value in stack.TAGGED.items()},
    )
    upload(chain.env, HOME / "pictures", [picture.key for picture in bucket])
    wait_for(len(bucket), lambda: indexed(search))
    return search


def indexed(search):
    """Pictures that are in all tables; a table that does not exist yet has none."""
    status = search.get("/v1/status")
    if dead := depth(status, "dead"):
        processes.fail(f"{dead} pictures were refused; see {HOME / 'chain' / 'log'}")
    return min(status["tables"].get(name, {"rows": 0})["rows"] for name in TABLES)


def answer(search, text, top_k=None, cutoff="none", **more):
    """Keys in their order, `top_k` or all. Fails on an answer that lacks a signal."""
    keys, body = [], {"text": text, "top_k": top_k or PAGE, "cutoff": cutoff, **more}
    while True:
        page = search.post("/v1/search", body)
        if page["degraded"]:
            processes.fail(f"the answer to '{text}' is degraded: {page['degraded']}")
        keys += [hit["key"] for hit in page["hits"]]
        if top_k or not page["next_cursor"]:
            return keys
        body["cursor"] = page["next_cursor"]


def compare(ask, queries):
    """Recall and nDCG of every mode, by kind and language and over all."""
    modes = {}
    for name, more in MODES.items():
        say(f"asking {len(queries)} searches: {name}")
        found = [
            (query, quality(ask(query.text, top_k=DEPTH, **more), query.relevant))
            for query in queries
        ]
        groups = {
            kind: [each for query, each in found if query.kind == kind] for kind in labels.KINDS
        }
        groups["all"] = [each for _, each in found]
        for language in ("en", "zh", "mixed"):
            groups[language] = [each for query, each in found if query.language == language]
        modes[name] = {
            group: {
                "recall": mean(each.recall for each in values),
                "ndcg": mean(each.ndcg for each in values),
            }
            for group, values in groups.items()
        }
    return modes


def cut(ask, queries, nothing, broad):
    """The hits that `cutoff = auto` keeps, with the default weights."""
    say("asking with a cutoff")

    def left(asked):
        return kept([(ask(query.text, cutoff="auto"), query.relevant) for query in asked])

    answered = [query.text for query in nothing if ask(query.text, cutoff="auto")]
    return {
        "labelled": left(queries),
        "broad": left(broad) if broad else None,
        "nothing_answered": answered,
        "counts": {"labelled": len(queries), "broad": len(broad), "nothing": len(nothing)},
    }


def table(modes):
    groups = (*labels.KINDS, "all", "en", "zh", "mixed")
    lines = [
        f"| recall@{DEPTH} / nDCG@{DEPTH} | {' | '.join(groups)} |",
        "|---|" + "---:|" * len(groups),
    ]
    for name, values in modes.items():
        cells = [f"{values[group]['recall']:.2f} / {values[group]['ndcg']:.2f}" for group in groups]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cutoff_table(cutoff):
    lines = [
        "| with `cutoff = auto` | searches | precision | recall | answered with nothing |",
        "|---|---:|---:|---:|---:|",
    ]
    counts = cutoff["counts"]
    for name, title in (("labelled", "those of the table above"), ("broad", "broad ones")):
        values = cutoff[name]
        if values is None:
            continue
        precision = "–" if values["precision"] is None else f"{values['precision']:.2f}"
        empty = values["empty"] / counts[name]
        lines.append(
            f"| {title} | {counts[name]} | {precision} | {values['recall']:.2f} | {empty:.2f} |"
        )
    empty = 1 - len(cutoff["nothing_answered"]) / counts["nothing"]
    lines.append(f"| those that nothing matches | {counts['nothing']} | – | – | {empty:.2f} |")
    return "\n".join(lines)


def conditions(about):
    return (
        f"{about['pictures']} drawn pictures, {about['queries']} searches with known answers; "
        f"demo model and captioner, default settings; {about['profile']} build, "
        f"{about['processor']}, {about['cores']} cores; {about['date']}."
    )
