"""The demo's HTTP requests to the running services."""

import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import stack  # noqa: E402

SETTLED_DONE = re.compile(
    r'^bucketlens_jobs_settled_total\{[^}]*outcome="done"[^}]*\} ([0-9.e+]+)$', re.MULTILINE
)


class Search:
    """The searcher's HTTP API."""

    def __init__(self, url):
        self.url = url

    def get(self, path, **query):
        url = f"{self.url}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)

    def post(self, path, body):
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def hits(self, words, top_k):
        return self.get("/v1/search", q=words, top_k=top_k)["hits"]

    def indexed(self):
        """The number of pictures that searches can show."""
        return min(self.rows("images"), self.rows("embeddings_"))

    def captioned(self):
        """The number of pictures with a caption."""
        return self.rows("captions_")

    def rows(self, table):
        """Rows of the table whose name begins so; 0 while it does not exist."""
        try:
            tables = self.get("/v1/status")["tables"]
        except urllib.error.URLError:
            return 0
        return max(
            (entry["rows"] for name, entry in tables.items() if name.startswith(table)), default=0
        )


# A search takes half a second in a dev build.
ASKED = 100


def recall_at_1(search, captions, language):
    """Of at most 100 captions, evenly spread: the share whose first hit has that caption."""
    truth = {caption["key"]: caption[language] for caption in captions}
    asked = list(truth.values())[:: max(1, len(truth) // ASKED)][:ASKED]

    def found(words):
        hits = search.hits(words, 1)
        return bool(hits) and truth.get(hits[0]["key"]) == words

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(found, asked))
    return round(sum(results) / len(results), 4)


def embedders_that_worked(home):
    """Whether each embedder settled a job with success."""
    worked = {}
    for name in stack.services(home):
        if name.startswith("embedder"):
            with urllib.request.urlopen(
                stack.address(home, name) + "/metrics", timeout=10
            ) as answer:
                counts = SETTLED_DONE.findall(answer.read().decode())
            worked[name] = sum(map(float, counts)) > 0
    return worked
