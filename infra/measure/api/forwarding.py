"""No request makes the server call an address that the client chose, or other paths of ingest."""

import json
import socket
import threading

import wire


class Trap:
    """Listens on a loopback port and counts the connections."""

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        self.seen = []
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(2)
                try:
                    self.seen.append(connection.recv(500))
                    connection.sendall(
                        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\ntrapped"
                    )
                except OSError:
                    self.seen.append(b"")


def addresses_as_input(world):
    """An address in any text field stays text."""
    with Trap() as trap:
        url = f"{trap.base}/a.jpg"
        form = [("Content-Type", "multipart/form-data; boundary=b")]

        def field(name, value):
            head = f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
            return f"{head}{value}\r\n--b--\r\n".encode()

        headers = [("Content-Type", "application/json")]
        for body in ({"image": url}, {"image_id": url}, {"examples": [{"image": url}]}):
            wire.problem(
                wire.ask(world.base, "/v1/search", "POST", headers, json.dumps(body).encode()), 400
            )
        image = wire.problem(
            wire.ask(
                world.base, "/v1/search", "POST", headers, json.dumps({"image": url}).encode()
            ),
            400,
        )
        assert image["field"] == "image" and "base64" in image["detail"], image
        for body in (field("image", url), field("image_id", url)):
            wire.problem(wire.ask(world.base, "/v1/search", "POST", form, body), 400)
        for body in (
            {"text": url},
            {"text": "a", "model": url},
            {"text": "a", "space": url},
            {"text": "a", "filter": {"prefix": url}},
        ):
            wire.ask(world.base, "/v1/search", "POST", headers, json.dumps(body).encode())
        for target in (
            f"/v1/images/{url}",
            f"/v1/images/{url.replace('/', '%2f')}",
            f"/v1/library?cursor={url}",
            f"/v1/objects?key={url}",
            f"/v1/search?q={url}",
            f"/docs/?url={url}",
            f"/docs?configUrl={url}",
            f"/?url={url}",
        ):
            wire.ask(world.base, target)
        sent = [
            ("Host", f"127.0.0.1:{trap.port}"),
            ("X-Forwarded-Host", f"127.0.0.1:{trap.port}"),
            ("Forwarded", f"host=127.0.0.1:{trap.port}"),
            ("X-Original-URL", url),
            ("X-Rewrite-URL", url),
            ("Proxy", trap.base),
            ("Referer", url),
        ]
        for name, value in sent:
            for target in (
                "/v1/ops/progress",
                "/v1/search?q=red",
                f"/v1/images/{world.image_id()}/original",
            ):
                answer = wire.exchange(
                    world.base,
                    f"GET {target} HTTP/1.1\r\n{name}: {value}\r\nConnection: close\r\n".encode()
                    + (b"" if name == "Host" else b"Host: localhost\r\n")
                    + b"\r\n",
                )
                location = answer.headers.get("location", world.store)
                assert location.startswith(world.store), (
                    f"{name} decides where a link leads: {location}"
                )
        assert not trap.seen, f"the server came to the trap: {trap.seen}"


def tricks(port):
    """Targets that try to change the host of ingest, or its path."""
    evil = f"127.0.0.1:{port}"
    yield from (
        f"/v1/ops/@{evil}/",
        f"/v1/ops/x@{evil}",
        f"/v1/ops//{evil}/",
        f"/v1/ops///{evil}",
        f"/v1/ops/http://{evil}/",
    )
    yield from (
        f"/v1/ops/..//{evil}/",
        f"/v1/ops/../../@{evil}/",
        f"/v1/ops/..%2f..%2f@{evil}",
        f"/v1/ops/%2f%2f{evil}/x",
    )
    yield from (
        f"/v1/ops/\\\\{evil}\\x",
        f"/v1/ops/%5c%5c{evil}",
        f"/v1/ops/#@{evil}",
        f"/v1/ops/?@{evil}/",
        f"/v1/ops/:{port}",
        f"/v1/ops/;@{evil}",
    )
    yield from (
        f"//{evil}/v1/ops/progress",
        f"http://{evil}/v1/ops/progress",
        f"http://x:y@{evil}/v1/ops/progress",
        f"@{evil}/v1/ops/progress",
    )
    yield from (
        f"/v1/ops/x%0d%0aHost:%20{evil}",
        f"/v1/ops/x%0d%0a%0d%0aGET%20/%20HTTP/1.1%0d%0aHost:%20{evil}%0d%0a%0d%0a",
        f"{evil}/v1/ops/x",
    )
    yield from (
        f"/v1/ops/x\r\nHost: {evil}",
        f"/v1/ops/x HTTP/1.1\r\nHost: {evil}\r\n\r\nGET /",
        f"/v1/ops/\x00@{evil}",
        f"/v1/ops/\t@{evil}",
    )


# Spellings of the parent folder.
UP = (
    "/v1/ops/../..",
    "/v1/ops/%2e%2e/%2e%2e",
    "/v1/ops/.%2e/%2E.",
    "/v1/ops/x/../../..",
    "/v1/ops/..\\..",
    "/v1/ops/..%5c..",
    "/v1/ops/..%2f..",
    "/v1/ops/%2e%2e%2f%2e%2e",
    "/v1/ops/.\t./..",
    "/v1/ops/..;/..",
    "/v1/ops/%252e%252e/%252e%252e",
)


def other_addresses(world):
    with Trap() as trap:
        for target in tricks(trap.port):
            for method in ("GET", "POST"):
                answer = wire.ask(world.base, target, method)
                assert b"trapped" not in answer.body and not trap.seen, (
                    f"{method} {target!r} reached another address: {trap.seen}"
                )
                assert answer.status != 502 and (answer.status or 0) < 500, (
                    f"{method} {target!r}: {answer.status} {answer.body[:300]!r}"
                )
        for raw in (
            f"CONNECT 127.0.0.1:{trap.port} HTTP/1.1\r\nHost: x\r\n\r\n",
            f"GET http://127.0.0.1:{trap.port}/ HTTP/1.0\r\n\r\n",
        ):
            answer = wire.exchange(world.base, raw.encode(), seconds=10)
            assert answer.status != 200 or b"trapped" not in answer.body, raw
        assert not trap.seen, trap.seen
    world.searches()


def other_paths_of_ingest(world):
    """Only below /v1/ops: other paths of ingest (/metrics, /events, /readyz) are not forwarded."""
    reached = []
    for up in UP:
        for path, mark in (
            ("/metrics", b"bucketlens_"),
            ("/readyz", b'"ready"'),
            ("/healthz", b"ok"),
        ):
            answer = wire.ask(world.base, up + path)
            if answer.status == 200 and mark in answer.body:
                reached.append(f"GET {up}{path}: {answer.status} {answer.body[:60]!r}")
        # Without a secret, the webhook of ingest answers 404 in its own words.
        direct = wire.ask(world.ingest, "/events", "POST")
        through = wire.ask(world.base, up + "/events", "POST")
        unknown = wire.ask(world.base, "/v1/ops/none", "POST")
        if (
            (through.status, through.body)
            == (direct.status, direct.body)
            != (unknown.status, unknown.body)
        ):
            reached.append(f"POST {up}/events: {through.status} {through.body[:80]!r}")
    assert not reached, "these came through:\n" + "\n".join(reached)


def other_hosts(world):
    """A web site that leads its own name to this address is refused (DNS rebinding)."""
    for base, target in (
        (world.base, "/"),
        (world.base, "/v1/search?q=red"),
        (world.base, "/v1/ops/progress"),
        (world.base, "/docs/"),
        (world.ingest, "/v1/ops/progress"),
    ):
        for host in ("evil.example", "localhost.evil.example:80", "127.0.0.1.evil.example"):
            answer = wire.exchange(
                base, f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
            )
            assert answer.status == 421, f"{target} for {host}: {answer.status}"
        answer = wire.exchange(
            base, f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        assert answer.status == 200, f"{target} for localhost: {answer.status}"


def smuggling(world):
    """One request becomes one request to ingest: no request smuggling."""
    inner = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    for headers in (
        [("Content-Length", 0), ("Transfer-Encoding", "chunked")],
        [("Content-Length", len(inner)), ("Content-Length", 0)],
        [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "identity")],
        [("Transfer-Encoding", "xchunked")],
        [("Content-Length", "+5")],
        [("Content-Length", "5, 6")],
    ):
        answer = wire.exchange(
            world.base,
            wire.head(world.base, "POST", "/v1/ops/none", headers) + b"0\r\n\r\n" + inner,
            "POST",
            10,
        )
        assert answer.status in (None, 400, 403, 404, 408, 411, 413, 501), (
            f"{headers}: {answer.status} {answer.body[:100]!r}"
        )
    world.searches()


CHECKS = {
    "an address is only a text": addresses_as_input,
    "operations reach no other address": other_addresses,
    "operations reach no other path of ingest": other_paths_of_ingest,
    "other hosts are refused": other_hosts,
    "one request is one request": smuggling,
}
