"""Query pictures of other sites: they work like uploads, and only allowed sites are called."""

import contextlib
import http.server
import json
import socket
import threading
import time

import wire
from forwarding import Trap
from world import SITE

JSON = [("Content-Type", "application/json")]


@contextlib.contextmanager
def site(answers):
    """A site whose paths are answered by (status, headers, body)."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = answers.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer((SITE, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{SITE}:{server.server_port}"
        finally:
            server.shutdown()


def ask(world, url):
    return wire.ask(
        world.base, "/v1/search", "POST", JSON, json.dumps({"image_url": url, "top_k": 5}).encode()
    )


def like_an_upload(world):
    key = world.captions[0]["key"]
    picture = (world.home / "pictures" / key).read_bytes()
    head = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    form = (
        head
        + picture
        + b'\r\n--b\r\nContent-Disposition: form-data; name="top_k"\r\n\r\n5\r\n--b--\r\n'
    )
    uploaded = wire.ask(
        world.base,
        "/v1/search",
        "POST",
        [("Content-Type", "multipart/form-data; boundary=b")],
        form,
    )
    with site({"/a": (200, {}, picture), "/b": (302, {"Location": "/a"}, b"")}) as base:
        for path in ("/a", "/b"):
            answer = ask(world, base + path)
            assert answer.status == 200, f"{path}: {answer.status} {answer.body[:300]!r}"
            found, expected = (json.loads(one.body)["hits"] for one in (answer, uploaded))
            assert [hit["image_id"] for hit in found] == [hit["image_id"] for hit in expected], path
            assert found[0]["key"] == key, found[0]["key"]


def elsewhere(world):
    """No redirect, name or spelling leads to a forbidden address."""
    with Trap() as trap:
        there = [
            f"{host}:{trap.port}/a.jpg"
            for host in (
                "127.0.0.1",
                "localhost",
                "[::ffff:7f00:1]",
                "2130706433",
                "0x7f000001",
                "127.1",
                "0",
            )
        ]
        answers = {
            f"/{number}": (302, {"Location": f"http://{host}"}, b"")
            for number, host in enumerate(there)
        }
        with site(answers) as base:
            for url in [f"http://{host}" for host in there] + [base + path for path in answers]:
                problem = wire.problem(ask(world, url), 400)
                assert problem["field"] == "image_url" and "127.0.0.1" not in problem["detail"], (
                    f"{url}: {problem}"
                )
        # The link of an original leads to the store, also on a loopback address.
        original = wire.ask(world.base, f"/v1/images/{world.image_id()}/original").headers[
            "location"
        ]
        wire.problem(ask(world, original), 400)
        assert not trap.seen, f"the server came to the trap: {trap.seen}"
    world.searches()


def slow_sites(world):
    """Slow sites do not delay other searches."""
    silent = socket.create_server((SITE, 0), backlog=64)
    url = f"http://{SITE}:{silent.getsockname()[1]}/"
    statuses = []
    # A cache would answer the second of two equal ones.
    asking = [
        threading.Thread(target=lambda n=n: statuses.append(ask(world, f"{url}{n}.jpg").status))
        for n in range(40)
    ]
    try:
        for thread in asking:
            thread.start()
        begun = time.monotonic()
        world.searches()
        waited = time.monotonic() - begun
        for thread in asking:
            thread.join()
    finally:
        silent.close()
    assert set(statuses) == {400, 503}, statuses
    assert waited < 10, f"a search waited {waited:.1f} s"
    refused = f"{statuses.count(503)} of {len(statuses)} were refused at once"
    return f"{refused}; a search meanwhile took {waited:.1f} s"


CHECKS = {
    "a picture of another site is searched by like an upload": like_an_upload,
    "no address leads to where nobody may ask": elsewhere,
    "40 addresses of a site that does not answer": slow_sites,
}
