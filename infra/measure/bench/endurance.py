"""An hour of single uploads in less time: each row is one commit. Does maintenance keep up?"""

import re
import time

from chain import processes, queued, wait_for
from objects import put_all
from operate import command, memory, metrics, pid, stop

# An hour at one commit per second, with the default pauses: twelve rounds of maintenance, a listing
# every minute.
PER_ROUND, PER_LISTING = 300, 60
ROUNDS = 12
WARM_SHARE = 0.02
LEAST_PAUSE = 3
COUNTING_SECONDS = 0.5
# The samples take CPU time from the chain.
LOOKING_SHARE = 0.2
LATE_SECONDS = 600
SERVICES = ("ingest", "embedder", "searcher")
TABLE = re.compile(r"(\d+) rows in (\d+) fragments, version (\d+), (\d+) versions kept")


def measure(chain, count, say):
    say(f"endurance: uploading {count} objects")
    put_all(chain.env, "endurance", count)
    search = chain.run_searcher()
    chain.run_ingest()
    wait_for(count, lambda: queued(search))
    stop(chain, "ingest")

    chain.run("embedder", MODELS__SERVE=chain.model.name, BATCH__MAX_ROWS="1")
    begun, warm = time.monotonic(), max(20, round(count * WARM_SHARE))
    wait_for(1, lambda: chain.embedded(search))
    wait_for(warm, lambda: chain.embedded(search))
    rate = chain.embedded(search) / (time.monotonic() - begun)
    # Twelve rounds, however few objects there are.
    interval, poll = max(1, count / ROUNDS / rate), max(1, PER_LISTING / rate)
    settings = {
        "MAINTAIN__INTERVAL": f"{round(interval * 1000)}ms",
        "WATCH__POLL_INTERVAL": f"{round(poll * 1000)}ms",
    }
    say(
        f"endurance: {rate:.1f} commits/s, maintenance every {interval:.1f} s, "
        f"listing every {poll:.1f} s"
    )
    ingest = chain.run_ingest(**settings)

    samples, rounds, seconds, round_s = [], set(), None, {}
    while seconds is None or not any(at > ended for at in rounds):
        before = time.monotonic()
        samples.append({"at_s": before - begun, **look(chain, search, ingest, rounds)})
        if "quarter" not in round_s and samples[-1]["rows"] >= count / 4:
            round_s["quarter"] = round_seconds(chain)
        took = time.monotonic() - before
        pause = max(LEAST_PAUSE, took / LOOKING_SHARE)
        if seconds is None and all_in(chain, search, count, pause):
            seconds, ended = time.monotonic() - begun, time.time()
        elif seconds is not None:
            time.sleep(pause)
        if time.monotonic() - begun > LATE_SECONDS + 2 * count / rate:
            processes.fail(
                f"stopped at {samples[-1]['rows']} of {count} rows; see {chain.home / 'log'}"
            )
    samples.append({"at_s": time.monotonic() - begun, **look(chain, search, ingest, rounds)})
    round_s["end"], final = round_seconds(chain), samples[-1]
    for service in SERVICES:
        stop(chain, service)
    return {
        "objects": count,
        "seconds": seconds,
        "commits_per_s": count / seconds,
        "scaled": {"factor": rate, **settings, "rows_per_round": count / ROUNDS},
        "rounds_seen": len(rounds),
        "failures": final["failures"],
        "round_s": round_s,
        "samples": samples,
    }


def all_in(chain, search, count, seconds):
    """Waits up to `seconds` for the last row; returns whether it is there."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if chain.embedded(search) >= count:
            return True
        time.sleep(COUNTING_SECONDS)
    return False


def round_seconds(chain):
    """Seconds of a round of maintenance, which the running ingest does on request."""
    answer = command(chain, "maintain", "--once", "--json").answer
    return sum(table["took_ms"] for table in answer["tables"]["tables"]) / 1000


def look(chain, search, ingest, rounds):
    """Tables, memory and rounds now; also searches, because an idle searcher reads nothing."""
    search.get("/v1/search", q="a red circle", top_k=10)
    doctor = command(chain, "doctor", "--json", may_fail=True)
    tables = {}
    for check in doctor.answer["checks"]:
        if found := TABLE.match(check["seen"]):
            numbers = dict(
                zip(
                    ("rows", "fragments", "version", "versions"),
                    map(int, found.groups()),
                    strict=True,
                )
            )
            tables[check["name"].removeprefix("table.")] = numbers
    values = metrics(ingest)
    if at := values.get("bucketlens_maintain_last_timestamp_seconds"):
        rounds.add(at)
    return {
        "rows": min((table["rows"] for table in tables.values()), default=0),
        "tables": tables,
        "resident_bytes": {name: memory(pid(chain, name))["resident_bytes"] for name in SERVICES},
        "failures": values.get("bucketlens_maintain_failures_total", 0),
        "doctor_s": doctor.seconds,
    }


def summary(measured):
    """The most fragments and the last, and memory after a quarter of the rows and at the end."""
    samples, final = measured["samples"], measured["samples"][-1]
    quarter = next(sample for sample in samples if sample["rows"] >= measured["objects"] / 4)
    return {
        "fragments": {
            name: {
                "most": max(sample["tables"][name]["fragments"] for sample in samples),
                "end": table["fragments"],
            }
            for name, table in final["tables"].items()
        },
        "versions": {name: table["versions"] for name, table in final["tables"].items()},
        "resident_bytes": {
            name: {"quarter": quarter["resident_bytes"][name], "end": final["resident_bytes"][name]}
            for name in SERVICES
        },
        "doctor_s": {"quarter": quarter["doctor_s"], "end": final["doctor_s"]},
    }
