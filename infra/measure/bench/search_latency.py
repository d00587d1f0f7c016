"""Measures how long searches and pages of the library take in a large bucket.

    just bench search-latency [--profile release|dev] [--rows N] [--queries N]

Beside them stands the time of the table library alone, for the nearest ten vectors. Rows are
generated: vectors around some hundred directions, captions of the demo's words. Nothing is written
meanwhile. Prints a table and writes all numbers to .dev/bench-search-latency/result.json.
"""

import argparse
import datetime
import hashlib
import itertools
import json
import os
import subprocess
import sys
import time

import outcome
import session
import usage
from chain import Chain, Model, Search, processes, stack
from latency import percentile

HOME = stack.DEV / "bench-search-latency"
MODEL = Model("demo-clip", "demo-clip", "demo model")
CAPTIONER = "demo-captioner"
MANIFEST = stack.ROOT / "crates" / "inference" / "models" / "demo-clip" / "model.toml"
DIM = 128
WARM_UP = 10
ROUNDS = 3
NONE = {"image": 0.0, "caption_vector": 0.0, "text": 0.0}
MODES = {
    "pictures only": {"weights": {**NONE, "image": 1.0}},
    "words only": {"weights": {**NONE, "text": 1.0}},
    "hybrid": {},
    "hybrid, only relevant": {"cutoff": "auto"},
}
LIBRARY = {
    "library, the newest 100": ("/v1/library", {"limit": 100}),
    "library, 100 of long ago": ("/v1/library", {"limit": 100, "to": "1975-06-30"}),
    "library, pictures per month": ("/v1/library/months", {}),
}
WORDS = (
    ("red", "orange", "yellow", "green", "blue", "purple", "white", "black"),
    ("car", "house", "tree", "cat", "fish", "boat", "balloon", "flower", "star", "ball"),
    ("on the beach", "in the forest", "in the city", "in the mountains", "in the desert"),
)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", choices=("release", "dev"), default="release")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=100, help="searches per mode and round")
    arguments = parser.parse_args()
    result = session.run(lambda: measure(arguments), HOME, [HOME / "chain"])
    print(table(result))
    outcome.print_line("search-latency", result)


def measure(arguments):
    programs = session.build(arguments.profile, "--example", "rows")
    chain = Chain(HOME / "chain", programs, MODEL)
    say(f"filling {arguments.rows} rows")
    begun = time.monotonic()
    rows(chain, "fill", arguments.rows)
    filled_s = time.monotonic() - begun
    search = Search(chain.run("searcher"))
    expect(search, arguments.rows)
    took = {name: [] for name in ("the table library alone", *MODES, *LIBRARY)}
    # In turns, so that other load on the machine falls on all of them.
    for turn in range(ROUNDS):
        say(f"round {turn + 1} of {ROUNDS}")
        took["the table library alone"] += json.loads(rows(chain, "ask", arguments.queries))
        for name, more in MODES.items():
            took[name] += ask(search, arguments.queries, more)
        for name, (path, query) in LIBRARY.items():
            took[name] += browse(search, arguments.queries, path, query)
    about = {
        "processor": usage.processor(),
        "cores": usage.cores(),
        "profile": arguments.profile,
        "rows": arguments.rows,
    }
    about |= {
        "queries": arguments.queries * ROUNDS,
        "date": datetime.date.today().isoformat(),
        "filled_s": filled_s,
    }
    return {"about": about, "p50_s": shares(took, 0.5), "p99_s": shares(took, 0.99)}


def rows(chain, what, count, thumbnail=None):
    """Runs the example `rows`, which fills the tables or asks their library; returns its output."""
    digest = hashlib.sha256(MANIFEST.read_bytes()).hexdigest()
    env = chain.env
    bucket, prefix = env["BUCKETLENS__BUCKET__NAME"], ".bucketlens/"
    options = {
        "aws_endpoint": env["BUCKETLENS__BUCKET__ENDPOINT"],
        "aws_region": env["BUCKETLENS__BUCKET__REGION"],
        "aws_access_key_id": env["BUCKETLENS__BUCKET__ACCESS_KEY_ID"],
        "aws_secret_access_key": env["BUCKETLENS__BUCKET__SECRET_ACCESS_KEY"],
        "allow_http": "true",
        "aws_virtual_hosted_style_request": "false",
    }
    command = [
        chain.programs / "examples" / "rows",
        f"s3://{bucket}/{prefix}tables",
        MODEL.id,
        MODEL.id,
        digest,
        DIM,
        CAPTIONER,
    ]
    done = subprocess.run(
        [*map(str, command), what, str(count)],
        env={
            **os.environ,
            "TABLE_OPTIONS": json.dumps(options),
            "TABLE_THUMBNAIL": str(thumbnail or ""),
        },
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        processes.fail(f"rows {what} ended with status {done.returncode}; see above")
    return done.stdout


def expect(search, count):
    tables = search.get("/v1/status")["tables"]
    for name in (f"embeddings_{MODEL.id}", f"captions_{CAPTIONER}"):
        if tables.get(name, {}).get("rows") != count:
            processes.fail(
                f"the searcher sees {tables.get(name)} in {name} instead of {count} rows"
            )


def ask(search, count, more):
    """Seconds per search, one after the other, after some that warm up."""
    texts = [" ".join(words) for words in itertools.product(*WORDS)]
    waited = []
    for number in range(WARM_UP + count):
        text = texts[number * 37 % len(texts)]
        begun = time.monotonic()
        answer = search.post("/v1/search", {"text": text, "top_k": 10, **more})
        waited.append(time.monotonic() - begun)
        if answer["degraded"] or not (answer["hits"] or "cutoff" in more):
            seen = f"{answer['degraded']} and {len(answer['hits'])} hits"
            processes.fail(f"the search for '{text}' was answered with {seen}")
    return waited[WARM_UP:]


def browse(search, count, path, query):
    """Seconds per page of the library, one after the other, after some that warm up."""
    waited = []
    for _ in range(WARM_UP + count):
        begun = time.monotonic()
        answer = search.get(path, **query)
        waited.append(time.monotonic() - begun)
        if not answer["total"] or len(answer.get("pictures", range(100))) != 100:
            processes.fail(f"{path} was answered with {answer['total']} pictures in all")
    return waited[WARM_UP:]


def shares(took, share):
    return {name: percentile(values, share) for name, values in took.items()}


def table(result):
    lines = ["| | p50 | p99 | p50 beside the table library |", "|---|---:|---:|---:|"]
    alone = result["p50_s"]["the table library alone"]
    for name, p50 in result["p50_s"].items():
        p99 = result["p99_s"][name]
        lines.append(f"| {name} | {p50 * 1000:.0f} ms | {p99 * 1000:.0f} ms | {p50 / alone:.1f} |")
    about = result["about"]
    lines.append(
        f"\n{about['rows']:,} generated rows, {about['queries']} searches each, "
        f"one after the other; demo model; {about['profile']} build, {about['processor']}, "
        f"{about['cores']} cores; {about['date']}."
    )
    return "\n".join(lines)


def say(text):
    print(text, file=sys.stderr, flush=True)
