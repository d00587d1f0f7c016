"""Measures a browser's memory while it scrolls through the page's library of a large bucket.

    just bench library [--profile release|dev] [--rows N] [--pictures N]

Rows are generated, with a real thumbnail. A headless Chromium scrolls from the newest picture on.
Its memory is read 20 times, each time after garbage collection. Prints a table and writes all
numbers to .dev/bench-library/result.json.
"""

import argparse
import datetime
import hashlib
import json
import os
import subprocess

import outcome
import session
import usage
from chain import Chain, Model, Search, processes, stack
from progress import say
from searches.rows import Tables

HOME = stack.DEV / "bench-library"
MODEL = Model("demo-clip", "demo-clip", "demo model")
MANIFEST = stack.ROOT / "crates" / "inference" / "models" / "demo-clip" / "model.toml"
DIM, CLUSTERS, SEED = 128, 500, 7
SCROLL = stack.ROOT / "infra" / "measure" / "page" / "scroll.mjs"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", choices=("release", "dev"), default="release")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--pictures", type=int, default=100_000, help="to scroll past")
    arguments = parser.parse_args()
    result = session.run(lambda: measure(arguments), HOME, [HOME / "chain"])
    print(table(result))
    ends = {"first": result["samples"][0], "last": result["samples"][-1]}
    figures = {name: value for name, value in result.items() if name != "samples"}
    outcome.print_line("library", {**figures, **ends})


def measure(arguments):
    programs = session.build(arguments.profile, "--example", "rows")
    thumbnail = draw(HOME / "thumbnail.jpg")
    chain = Chain(HOME / "chain", programs, MODEL)
    say(f"filling {arguments.rows} rows")
    digest = hashlib.sha256(MANIFEST.read_bytes()).hexdigest()
    tables = Tables(programs, chain.home, MODEL.id, digest, DIM)
    tables.run("fill", centres(HOME / "raw"), arguments.rows, SEED, thumbnail=thumbnail)
    address = chain.run("searcher")
    tables.expect(Search(address).get("/v1/status"), arguments.rows)
    pid = processes.running(stack.run_file(chain.home, "searcher"))["pid"]
    say("scrolling")
    command = ["node", SCROLL, str(arguments.pictures)]
    done = subprocess.run(
        command, env={**os.environ, "PAGE_URL": address}, stdout=subprocess.PIPE, check=False
    )
    if done.returncode != 0:
        processes.fail(f"{SCROLL.name} ended with status {done.returncode}; see above")
    about = {
        "processor": usage.processor(),
        "cores": usage.cores(),
        "profile": arguments.profile,
        "rows": arguments.rows,
    }
    about["date"] = datetime.date.today().isoformat()
    return {
        "about": about,
        "searcher_peak_bytes": usage.peak_memory_bytes(pid),
        **json.loads(done.stdout),
    }


def centres(folder):
    """The directions around which vectors lie; the library does not look at them."""
    import numpy as np

    folder.mkdir()
    rng = np.random.default_rng(SEED)
    rng.standard_normal((CLUSTERS, DIM), dtype=np.float32).tofile(folder / "centres.f32")
    return folder


def draw(file):
    """A thumbnail like those that embedders make."""
    from PIL import Image

    Image.effect_noise((160, 120), 40).convert("RGB").save(file, "JPEG", quality=60)
    return file


def table(result):
    lines = [
        "| pictures scrolled past | JavaScript heap | nodes | process |",
        "|---:|---:|---:|---:|",
    ]
    for sample in result["samples"]:
        heap, process = (
            f"{sample[name] / (1 << 20):.1f} MiB" for name in ("heap_bytes", "process_bytes")
        )
        lines.append(f"| {sample['pictures']:,} | {heap} | {sample['nodes']:,.0f} | {process} |")
    about = result["about"]
    lines.append(
        f"\n{result['seen']:,} of {result['total']:,} pictures in {result['seconds']:.0f} s, "
        f"the first shown after {result['first_ms']:.0f} ms, "
        f"at most {result['most_tiles']} tiles at once; "
        f"the searcher took at most {result['searcher_peak_bytes'] >> 20} MiB. "
        f"{about['profile']} build, {about['processor']}, {about['cores']} cores; {about['date']}."
    )
    return "\n".join(lines)
