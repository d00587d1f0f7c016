"""What the store is asked, many clients at once, and searches while others write."""

import json
import queue
import subprocess
import threading
import time

from chain import processes
from latency import percentile
from searches.client import checked
from searches.quiet import Asking

CLIENTS, LOAD_SECONDS = 16, 20
BODIES = 2000
COMMITS_PER_SECOND, WRITING_SECONDS = 10, 30
# One of so many commits is looked for.
LOOKED_FOR = 5
LOST_AFTER_S = 30
# As the example `rows` appends them.
ROWS_OF_COMMIT = 3
COUNTED = 100
IDLE_SECONDS = 5


def requests(bench):
    """Requests to the store per search: for candidates, measured by searches that show no hit, and
    for the hits. What follows the versions of the tables is counted apart."""
    searcher, asking = bench.searcher, Asking(bench.searcher)
    asking.warm_up()
    time.sleep(1)
    before = searcher.requests()
    time.sleep(IDLE_SECONDS)
    idle = searcher.requests()
    numbers, last = range(COUNTED // 2), 10_000

    def each(vector_more, text_more):
        begun = searcher.requests()
        found = asking.vectors(numbers, lambda _: vector_more).found
        found += asking.texts(bench.fresh_texts(len(numbers)), **text_more).found
        return (searcher.requests().rest - begun.rest) / COUNTED, found

    # No row equals a vector, and no search of several signals reaches so far down.
    candidates, none = each({"min_score": 1.0}, {"offset": last})
    if any(none):
        processes.fail("a search that should show no hit has one")
    both, _ = each({}, {})
    return {
        "candidates": candidates,
        "hits": both - candidates,
        "following_per_second": (idle.following - before.following) / IDLE_SECONDS,
        "idle_rest": idle.rest - before.rest,
    }


def clients(bench):
    """Vectors from many clients at once."""
    file = bench.home / "bodies.jsonl"
    count = min(BODIES, len(bench.generated.queries))
    with file.open("w", encoding="utf-8") as output:
        for number in range(count):
            output.write(json.dumps(bench.searcher.vector(number)) + "\n")
    program = bench.programs / "examples" / "load"
    seconds = 3 if bench.quick else LOAD_SECONDS
    command = [program, bench.searcher.url + "/v1/search", CLIENTS, seconds, file]
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, check=True)
    load = json.loads(done.stdout)
    failed = sum(count for status, count in load["statuses"].items() if status >= "500")
    good = load["statuses"].get("200", 0)
    return {**load, "searches_per_second": good / load["seconds"], "failed": failed}


def writing(bench):
    """Ten commits a second to two tables: how soon new rows are found, and how long searches take
    beside those before."""
    seconds = 5 if bench.quick else WRITING_SECONDS
    Asking(bench.searcher).warm_up()
    bench.say(f"quiet searches for {seconds} s")
    quiet = ask_for(bench, seconds)
    bench.say(f"{COMMITS_PER_SECOND} commits a second for {seconds} s")
    seed = bench.generated.seed + 1
    writer = bench.searcher.tables().start(
        "trickle", bench.generated.raw, seconds, COMMITS_PER_SECOND, seed
    )
    commits = queue.SimpleQueue()
    counted, found = [], []
    threads = [
        threading.Thread(target=read, args=(writer, commits, counted)),
        threading.Thread(target=look, args=(bench.searcher, commits, found)),
    ]
    for thread in threads:
        thread.start()
    begun = time.monotonic()
    meanwhile = ask_for(bench, seconds)
    for thread in threads:
        thread.join()
    took = time.monotonic() - begun
    bench.written += ROWS_OF_COMMIT * len(counted)
    if writer.wait() != 0 or len(found) < len(counted) / LOOKED_FOR or len(counted) < 2:
        processes.fail("the writer failed, or a search for its rows did; see above")
    return {
        "commits_per_second": len(counted) / max(counted[-1] - counted[0], 1e-9),
        "seconds": took,
        "found_p50_s": percentile(found, 0.5),
        "found_most_s": max(found),
        "looked_for": len(found),
        "quiet_p99_ms": percentile(quiet, 0.99) * 1000,
        "p99_ms": percentile(meanwhile, 0.99) * 1000,
        "p99_over_quiet": percentile(meanwhile, 0.99) / percentile(quiet, 0.99),
        "searches": len(meanwhile),
    }


def ask_for(bench, seconds):
    """Vectors and new words in turns, for so long; returns the seconds of each."""
    asking, took, until = Asking(bench.searcher), [], time.monotonic() + seconds
    number = 0
    while time.monotonic() < until:
        took += asking.vectors([number % bench.truth.queries]).client
        took += asking.texts(bench.fresh_texts(1)).client
        number += 1
        # Somebody who asks without a pause would leave no processor to the writer.
        time.sleep(0.02)
    return took


def read(writer, commits, counted):
    """Takes the commits as they are made; None at the end."""
    for number, line in enumerate(writer.stdout):
        commit = json.loads(line)
        counted.append(commit["committed_at"])
        if number % LOOKED_FOR == 0:
            commits.put(commit)
    commits.put(None)


def look(searcher, commits, found):
    """Seconds from each commit until its row is the best hit for its own vector."""
    client = searcher.client()
    while (commit := commits.get()) is not None:
        search = {"vector": commit["vector"], "top_k": 1}
        while True:
            hits = checked(client.search(search), "a new row")["hits"]
            waited = time.time() - commit["committed_at"]
            if hits and hits[0]["image_id"] == commit["image_id"]:
                found.append(waited)
                break
            if waited > LOST_AFTER_S:
                found.append(float("inf"))
                break
            time.sleep(0.02)
