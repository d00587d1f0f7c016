"""Whether searches by words find what comparing everything would: the top ten of the searcher
beside those of the same program with `search.exact`."""

from searches.generated import Generated
from searches.quiet import Asking
from searches.searcher import Searcher

SIZES = (10_000, 100_000)
QUESTIONS = 200
# Comparing a million rows takes long.
MANY_ROWS, QUESTIONS_OF_MANY = 500_000, 60


def agreement(bench):
    """The mean overlap of the first ten, by number of rows."""
    overlaps = {}
    for rows in SIZES:
        if rows >= bench.generated.rows:
            continue
        smaller = Generated(rows, bench.generated.dim, bench.generated.seed)
        smaller.fill(bench.programs, bench.say)
        searcher = Searcher(bench.home / f"agreement-{rows}", bench.programs, smaller)
        try:
            overlaps[rows] = overlap(bench, searcher, rows, smaller.texts[:QUESTIONS])
        finally:
            searcher.down()
    count = QUESTIONS_OF_MANY if bench.generated.rows >= MANY_ROWS else QUESTIONS
    texts = bench.fresh_texts(count)
    overlaps[bench.generated.rows] = overlap(bench, bench.searcher, bench.rows_now(), texts)
    bench.searcher.start(bench.rows_now())
    return {"by_rows": {str(rows): share for rows, share in overlaps.items()}}


def overlap(bench, searcher, rows, texts):
    bench.say(f"agreement at {rows:,} rows")
    answers = []
    for exact in ("false", "true"):
        searcher.start(rows, SEARCH__EXACT=exact)
        answers.append(ids(Asking(searcher), texts))
    shares = [
        len(set(ours) & set(full)) / len(full) for ours, full in zip(*answers, strict=True) if full
    ]
    return sum(shares) / len(shares)


def ids(asking, texts):
    answers = []
    for text in texts:
        content = asking.content({"text": text, "top_k": 10})
        answers.append([hit["image_id"] for hit in content["hits"]])
    return answers
