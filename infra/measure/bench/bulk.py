"""Very many objects: the speed of publishing and listing, and the memory for those on their way."""

import time

import usage
from chain import processes, stack, wait_for
from objects import put_all
from operate import command, depths, pid, stop, watching

LISTINGS = 3
BULK_QUEUE = "bucketlens.v1.embed-demo-clip.bulk"
# The broker counts messages in quorum queues every five seconds.
COUNTED_SECONDS = 30
# Watches no object but lists all, so that the difference is the cost of remembering them.
NOTHING = {"FILTER__SUFFIXES": ".none"}
# Publishing pauses at this depth, and here no worker drains the queue.
DEFAULT_HIGH = 200_000


def measure_publishing(chain, count, say):
    """Uploads `count` objects, publishes them by a sweep, and sweeps again while all are queued."""
    say(f"uploading {count} objects")
    upload_s = put_all(chain.env, "scale", count)
    say(f"uploaded in {upload_s:.0f} s; listing without remembering")
    nothing = watching(chain, LISTINGS, **NOTHING)
    say("publishing")
    first = sweep(chain, count)
    expect(first, {"objects": count, "published": count, "waiting": 0})
    queued(chain, count)
    say(f"published {first['published_per_s']:.0f} objects/s; listing again")
    second = sweep(chain, count)
    expect(second, {"objects": count, "published": 0, "waiting": count})
    queued(chain, count)
    say(f"listed {second['keys_per_s']:.0f} keys/s; watching")
    everything = watching(chain, LISTINGS, **room(count))
    queued(chain, count)
    return {
        "objects": count,
        "upload_s": upload_s,
        "publishing": first,
        "listing": second,
        "watching_nothing": nothing,
        "watching": everything,
        "bytes_per_object": (everything["resident_bytes"] - nothing["resident_bytes"]) / count,
        "peak_bytes_per_object": (everything["peak_bytes"] - nothing["peak_bytes"]) / count,
    }


def measure_rows(chain, count, indexed, say):
    """Lets an embedder index some of the objects, then sweeps while nothing else runs."""
    say(f"indexing {indexed} of {count} objects")
    search = chain.run_searcher()
    chain.run_ingest(**room(count))
    chain.run("embedder", MODELS__SERVE=chain.model.name)
    wait_for(indexed, lambda: chain.embedded(search))
    for service in ("embedder", "ingest"):
        stop(chain, service)
    rows = chain.embedded(search)
    stop(chain, "searcher")
    say(f"{rows} objects have rows; listing")
    report = sweep(chain, count)
    expect(
        report,
        {
            "objects": count,
            "published": 0,
            "indexed": rows,
            "waiting": count - rows,
            "removed_gone": 0,
        },
    )
    used = watching(chain, LISTINGS, **room(count))
    return {"objects": count, "rows": rows, "listing": report, "watching": used}


def sweep(chain, count):
    """A sweep by a process of its own, with its costs."""
    broker_pid, store_pid = stack.broker_entry(chain.home)["pid"], pid(chain, "devstore")
    before = [usage.cpu_seconds(number) for number in (broker_pid, store_pid)]
    done = command(chain, "sweep", "--json", **room(count))
    after = [usage.cpu_seconds(number) for number in (broker_pid, store_pid)]
    listing_s = max(done.answer["listing_ms"], 1) / 1000
    return {
        **done.answer,
        "published_per_s": done.answer["published"] / listing_s,
        "keys_per_s": (done.answer["objects"] + done.answer["skipped"]) / listing_s,
        "seconds": done.seconds,
        "cpu_s": {
            "ingest": done.cpu_s,
            "broker": after[0] - before[0],
            "devstore": after[1] - before[1],
        },
        "peak_bytes": done.peak_bytes,
    }


def room(count):
    return {"BACKPRESSURE__HIGH": min(2 * count, 4_000_000)} if 2 * count > DEFAULT_HIGH else {}


def queued(chain, count):
    """Fails unless the bulk queue holds exactly this many jobs and no other queue any."""
    deadline = time.monotonic() + COUNTED_SECONDS
    while (waiting := {name: depth for name, depth in depths(chain).items() if depth}) != {
        BULK_QUEUE: count
    }:
        if time.monotonic() > deadline:
            processes.fail(f"the queues hold {waiting} instead of {count} jobs in {BULK_QUEUE}")
        time.sleep(1)


def expect(report, counts):
    wrong = [
        f"{name} = {report[name]} instead of {value}"
        for name, value in counts.items()
        if report[name] != value
    ]
    if wrong:
        processes.fail(f"the sweep reports {', '.join(wrong)}")
