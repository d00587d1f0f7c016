"""How long pages of the library take."""

from searches.client import checked
from searches.quiet import summary

PAGES = {
    "the newest 100": "/v1/library?limit=100",
    "100 of long ago": "/v1/library?limit=100&to=1975-06-30",
    "pictures per month": "/v1/library/months",
}
ASKED, WARM_UP = 100, 3


def pages(bench):
    client, result = bench.searcher.client(), {}
    for name, path in PAGES.items():
        answers = [client.get(path) for _ in range(WARM_UP + ASKED)]
        for answer in answers:
            checked(answer, path)
        result[name] = summary([answer.seconds for answer in answers[WARM_UP:]])
    return result
