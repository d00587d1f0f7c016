"""How soon a process that starts anew answers: with the files of a former one, and without them
from a store far away.

The clock starts when the log says that the model is loaded, or if it never does, with the first
answer of any kind. It stops with the first right answer to the vector of a known row.
"""

import datetime
import json
import re
import statistics
import time

from chain import processes, stack

STARTS = 5
DELAY_MS = 20
LOOK_PAUSE = 0.002
SECONDS = 600
LOADED = re.compile(r"(\d{4}-\d\d-\d\dT[\d:.]+Z).*\bmodel\b.*\bloaded\b|"
                    r"(\d{4}-\d\d-\d\dT[\d:.]+Z).*\bloaded\b.*\bmodel\b")  # fmt: skip


def cold(bench):
    """Medians of some starts, in milliseconds."""
    searcher, result = bench.searcher, {}
    starts = 2 if bench.quick else STARTS
    # A process has filled the files by now; one more makes sure that they are of this version.
    searcher.start(bench.rows_now())
    with_files = [one_start(searcher) for _ in range(starts)]
    searcher.stop()
    searcher.start_store(DELAY_MS)
    without = []
    for _ in range(starts):
        searcher.stop()
        searcher.forget_files()
        without.append(one_start(searcher))
    searcher.stop()
    searcher.start_store()
    for name, measured in (("", with_files), ("_without_files", without)):
        result[f"cold{name}_ms"] = statistics.median(each["ms"] for each in measured)
        result[f"starts{name}"] = measured
    return result


def one_start(searcher):
    data, row = searcher.generated, 12
    logged = searcher.log().stat().st_size
    search = {"vector": data.vectors[row].tolist(), "top_k": 1}
    launched = time.time()
    searcher.launch()
    first, client = None, searcher.client()
    file = stack.run_file(searcher.home, "searcher")
    while True:
        try:
            answer = client.search(search)
        except OSError:
            client.close()
            answer = None
        now = time.time()
        if answer:
            first = first or now
            if answer.status == 200 and right(answer, data, row):
                break
        if now - launched > SECONDS or processes.running(file) is None:
            processes.fail(f"no right answer after {now - launched:.0f} s; see {searcher.log()}")
        time.sleep(LOOK_PAUSE)
    told = loaded_at(searcher.log(), logged)
    return {
        "ms": (now - (told or first)) * 1000,
        "since_start_ms": (now - launched) * 1000,
        "clock": "model loaded" if told else "first answer",
    }


def right(answer, data, row):
    hits = json.loads(answer.body)["hits"]
    return bool(hits) and data.row_of(hits[0]["image_id"]) == row


def loaded_at(log, begin):
    """The moment of the line about the model, in seconds since 1970."""
    with log.open("rb") as lines:
        lines.seek(begin)
        text = lines.read().decode(errors="replace")
    # The log of a terminal has colours.
    found = LOADED.search(re.sub(r"\x1b\[[0-9;]*m", "", text))
    if not found:
        return None
    moment = (found[1] or found[2]).replace("Z", "+00:00")
    return datetime.datetime.fromisoformat(moment).timestamp()
