"""Measures whether an embedder's memory stays constant over many pictures of very different sizes.

    just bench memory [--profile release|dev] [--images N]

One picture in 50 has 12 megapixels, one in 10 has 3, the others 0.12, in no order. The model is the
built-in one, because it is fast. Prints a table and writes all numbers to
.dev/bench-soak/result.json.
"""

import argparse
import datetime
import functools
import statistics
import sys
import threading
import time

import outcome
import photos
import session
import usage
from chain import Chain, Model, stack
from objects import put_all
from operate import memory

HOME = stack.DEV / "bench-soak"
PICTURES = stack.DEV / "bench" / "soak"
MODEL = Model("demo-clip", "demo-clip", "demo model")
# One in so many pictures has this size; the first row that fits counts.
SIZES = ((50, (4000, 3000)), (10, (2048, 1536)), (1, (400, 300)))
DIFFERENT = 6
PAUSE = 0.5
STALLED_SECONDS = 180
# The goal: the last tenth takes at most this share more than the sixth, when all caches are full.
MOST_GROWTH = 0.05


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", choices=("release", "dev"), default="release")
    parser.add_argument("--images", type=int, default=20_000)
    arguments = parser.parse_args()
    result = session.run(lambda: measure(arguments), HOME, [HOME / "chain"])
    print(table(result))
    medians = {tenth: statistics.median(sizes) for tenth, sizes in by_tenth(result).items()}
    met = None
    if {5, 9} <= medians.keys():
        met = {f"growth at most {MOST_GROWTH:.0%}": medians[9] <= medians[5] * (1 + MOST_GROWTH)}
    figures = {"about": result["about"], "median_mib_by_tenth": list(medians.values())}
    outcome.print_line("memory", figures, met)


def measure(arguments):
    programs = session.build(arguments.profile)
    for every, dimensions in SIZES:
        photos.write(PICTURES / str(every), DIFFERENT, dimensions)
    chain = Chain(HOME / "chain", programs, MODEL)
    search = chain.run_searcher()
    chain.run_ingest(WATCH__POLL_INTERVAL="2s")
    chain.run("embedder", MODELS__SERVE=MODEL.name)
    pid = chain.pids()["embedder"]
    samples, moved = [], time.monotonic()
    begun = moved
    uploading = threading.Thread(
        target=put_all, args=(chain.env, "soak", arguments.images, picture), daemon=True
    )
    uploading.start()
    while not samples or samples[-1]["rows"] < arguments.images:
        time.sleep(PAUSE)
        rows = chain.embedded(search)
        if not samples or rows > samples[-1]["rows"]:
            moved = time.monotonic()
        if time.monotonic() - moved > STALLED_SECONDS:
            sys.exit(f"stopped at {rows} of {arguments.images} pictures; see {chain.home / 'log'}")
        samples.append(
            {"at_s": time.monotonic() - begun, "rows": rows, "bytes": memory(pid)["resident_bytes"]}
        )
    about = {
        "processor": usage.processor(),
        "cores": usage.cores(),
        "profile": arguments.profile,
        "images": arguments.images,
    }
    return {"about": {**about, "date": datetime.date.today().isoformat()}, "samples": samples}


def picture(number):
    every = next(every for every, _ in SIZES if number % every == 0)
    return photos.commented(base(every, number // every % DIFFERENT), f"number {number}".encode())


@functools.cache
def base(every, number):
    return (PICTURES / str(every) / f"photo-{number:05}.jpg").read_bytes()


def table(result):
    """Medians of memory over tenths of the pictures, which should not grow after the first."""
    about, samples = result["about"], result["samples"]
    lines = ["| pictures | embedder's memory, median | most |", "|---|---:|---:|"]
    for tenth, sizes in by_tenth(result).items():
        low, high = (about["images"] * at / 10 for at in (tenth, tenth + 1))
        median = statistics.median(sizes)
        lines.append(f"| {low:,.0f} to {high:,.0f} | {median:.0f} MiB | {max(sizes):.0f} MiB |")
    rate = about["images"] / samples[-1]["at_s"]
    condition = (
        f"{about['processor']}, {about['cores']} cores, {about['profile']} build, demo model; "
        f"photographs of 12 megapixels (2 %), 3 (8 %) and 0.12; {rate:.0f} a second; "
        f"{about['date']}."
    )
    return "\n".join(lines) + "\n\n" + condition


def by_tenth(result):
    """The embedder's memory in MiB during each tenth of the pictures, where it was looked at."""
    tenths = {}
    for sample in result["samples"]:
        for tenth in range(10):
            low, high = (result["about"]["images"] * at / 10 for at in (tenth, tenth + 1))
            if low <= sample["rows"] <= high:
                tenths.setdefault(tenth, []).append(sample["bytes"] / 2**20)
    return dict(sorted(tenths.items()))
