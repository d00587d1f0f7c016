#!/usr/bin/env python3
"""Searches with words, with more pictures like a hit, and page by page. Needs Python only.

    BASE=http://127.0.0.1:8080 [API_KEY=...] python search.py [WORDS]
"""

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

BASE = os.environ.get("BASE", "http://127.0.0.1:8080").rstrip("/")
KEY = os.environ.get("API_KEY", "")


def ask(path, body=None):
    """GET, or POST of a JSON body; an error ends the program with the server's words."""
    request = urllib.request.Request(BASE + path)
    if KEY:
        request.add_header("Authorization", f"Bearer {KEY}")
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        problem = json.load(error)
        sys.exit(
            f"{problem['status']} {problem['title']}: "
            f"{problem.get('field', '')} {problem['detail']}"
        )
    except urllib.error.URLError as error:
        sys.exit(f"{BASE} cannot be reached: {error.reason}")


def show(title, answer):
    print(f"{title} ({answer['took_ms']} ms, model {answer['model']})")
    if answer["degraded"]:
        print(f"  degraded: {answer['degraded']}")
    for hit in answer["hits"]:
        why = ", ".join(f"{name} {say['contribution']:.1f}" for name, say in hit["signals"].items())
        print(f"  {hit['score']:.3f}  {hit['key']}  {hit.get('caption', '')}  [{why}]")


def main():
    words = " ".join(sys.argv[1:]) or "a red car on the beach"
    query = urllib.parse.urlencode({"q": words, "top_k": 3})
    first = ask(f"/v1/search?{query}")
    if not first["hits"]:
        sys.exit("nothing was found")
    show(f"words: {words}", first)

    if first["next_cursor"]:
        cursor = urllib.parse.quote(first["next_cursor"])
        show("the next page", ask(f"/v1/search?{query}&cursor={cursor}"))

    best = first["hits"][0]
    alike = {"image_id": best["image_id"], "top_k": 3, "collapse": "duplicates"}
    show(f"more like {best['key']}", ask("/v1/search", alike))

    weighed = {
        "examples": [{"image_id": best["image_id"]}, {"text": "at night", "weight": 0.5}],
        "filter": {"formats": ["jpeg", "png", "webp"], "min_width": 100},
        "weights": {"image": 1, "caption_vector": 0.5, "text": 1},
        "top_k": 3,
    }
    show("the same at night, not too small", ask("/v1/search", weighed))


if __name__ == "__main__":
    main()
