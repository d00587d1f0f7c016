#!/usr/bin/env python3
"""Uploads pictures by links of the searcher and waits until searches find them. Needs Python only.

    BASE=http://127.0.0.1:8080 [API_KEY=...] python upload.py FILE...

The searcher must have upload.enabled. Running it again with the same files uploads nothing twice.
"""

import json
import mimetypes
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

BASE = os.environ.get("BASE", "http://127.0.0.1:8080").rstrip("/")
KEY = os.environ.get("API_KEY", "")
PATIENCE_SECONDS = 120


def ask(path, body=None):
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
        sys.exit(f"{problem['status']} {problem['title']}: {problem['detail']}")
    except urllib.error.URLError as error:
        sys.exit(f"{BASE} cannot be reached: {error.reason}")


def wanted(file):
    """What the server must know. It derives the key from this, so a file keeps its key."""
    about = file.stat()
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    modified = int(about.st_mtime * 1000)
    return {
        "name": file.name,
        "size_bytes": about.st_size,
        "content_type": kind,
        "last_modified_ms": modified,
    }


def put(file, link):
    """Uploads straight to the store. The link is valid for this type and length only."""
    with file.open("rb") as body:
        headers = {**link["headers"], "content-length": str(file.stat().st_size)}
        request = urllib.request.Request(link["url"], body, headers, method=link["method"])
        try:
            urllib.request.urlopen(request, timeout=600).close()
        except urllib.error.HTTPError as error:
            if error.code != 412:
                said = error.read(500).decode(errors="replace")
                sys.exit(f"the store refuses {file}: {error.code} {said}")
            print(f"{file} is there already, as {link['key']}")
            return
    print(f"{file} is stored as {link['key']}")


def wait(keys):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while keys and time.monotonic() < deadline:
        for key in sorted(keys):
            found = ask("/v1/objects?" + urllib.parse.urlencode({"key": key}))
            if found["indexed"]:
                print(f"{key} is searchable: {BASE}/v1/images/{found['image_id']}")
                keys.discard(key)
        time.sleep(1 if keys else 0)
    if keys:
        sys.exit(f"not searchable after {PATIENCE_SECONDS} s: {', '.join(sorted(keys))}")


def main():
    files = [Path(name) for name in sys.argv[1:]]
    if not files:
        sys.exit(__doc__)
    offered = ask("/v1/status")["upload"]
    if offered is None:
        sys.exit("uploads are switched off: set upload.enabled of the searcher")
    keys, refused = set(), 0
    for begin in range(0, len(files), offered["max_files"]):
        some = files[begin : begin + offered["max_files"]]
        links = ask("/v1/uploads", {"files": [wanted(file) for file in some]})["uploads"]
        for file, link in zip(some, links):
            if "problem" in link:
                print(f"{file} is refused: {link['problem']}", file=sys.stderr)
                refused += 1
                continue
            put(file, link)
            keys.add(link["key"])
    wait(keys)
    sys.exit(1 if refused else 0)


if __name__ == "__main__":
    main()
