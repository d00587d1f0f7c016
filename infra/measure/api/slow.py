"""Slow clients: others are answered meanwhile, and the slow ones are disconnected in the end."""

import json
import select
import time

import wire

SECONDS = 40
# The longest a search may take beside slow clients. In a dev build without load it takes a second.
PATIENCE_SECONDS = 10


def crowd(world, count, opening):
    connections = []
    for _ in range(count):
        connection = wire.connect(world.base)
        connection.sendall(opening)
        connections.append(connection)
    return connections


def ended(connection):
    """Whether the other side has answered or closed."""
    if not select.select([connection], [], [], 0)[0]:
        return False
    return True


def drip(world, connections, drop, seconds=SECONDS, ask="/v1/search?q=red&top_k=1"):
    """Sends a byte per second on each, and searches; returns open ones and the longest search."""
    longest, begun, left = 0.0, time.monotonic(), list(connections)
    while time.monotonic() - begun < seconds and left:
        second = time.monotonic()
        for connection in left:
            try:
                connection.send(drop)
            except OSError:
                pass
        left = [connection for connection in left if not ended(connection)]
        answer = wire.ask(world.base, ask, seconds=60)
        longest = max(longest, time.monotonic() - second)
        assert answer.status == 200, (
            f"others are answered {answer.status or answer.closed} {answer.body[:200]!r} "
            f"after {longest:.1f} s"
        )
        time.sleep(max(0.0, second + 1 - time.monotonic()))
    return left, longest


def check(world, count, opening, drop, **options):
    begun = time.monotonic()
    connections = crowd(world, count, opening)
    try:
        left, longest = drip(world, connections, drop, **options)
        lasted = time.monotonic() - begun
        assert longest < PATIENCE_SECONDS, f"meanwhile others waited up to {longest:.1f} s"
        assert not left, (
            f"{len(left)} of {count} slow connections are still open after {lasted:.0f} s"
        )
    finally:
        for connection in connections:
            connection.close()
    world.searches()
    return f"all closed within {lasted:.0f} s; others waited at most {longest:.1f} s"


def slow_headers(world):
    return check(world, 300, b"GET /v1/search?q=red HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"x")


def silent(world):
    """Connects and sends nothing."""
    return check(world, 300, b"", b"")


def slow_body(target):
    """More of them than requests that are served at once."""

    def send(world, target=target):
        head = wire.head(
            world.base,
            "POST",
            target,
            [("Content-Type", "application/json"), ("Content-Length", 100_000)],
        )
        ask = "/v1/ops/operations" if "/ops/" in target else "/v1/search?q=red&top_k=1"
        return check(world, 40, head + b"{", b" ", ask=ask)

    return send


def slow_readers(world):
    """Request a large answer and read none of it."""
    image_id = world.image_id()
    request = wire.head(world.base, "GET", "/v1/library?limit=500") + wire.head(
        world.base, "GET", f"/v1/images/{image_id}/thumbnail"
    )
    connections = crowd(world, 100, request * 200)
    try:
        begun = time.monotonic()
        world.searches()
        assert time.monotonic() - begun < PATIENCE_SECONDS * 3, (
            f"a search took {time.monotonic() - begun:.1f} s meanwhile"
        )
    finally:
        for connection in connections:
            connection.close()
    world.searches()


def still_there(world):
    """Afterwards page and status answer as before."""
    assert wire.ask(world.base, "/").status == 200
    assert json.loads(wire.ask(world.base, "/readyz").body)["ready"]
    world.searches()


CHECKS = {
    "300 connections with a header byte per second": slow_headers,
    "300 connections that say nothing": silent,
    "40 searches with a body byte per second": slow_body("/v1/search"),
    "40 requests for links with a body byte per second": slow_body("/v1/uploads"),
    "40 operations with a body byte per second": slow_body("/v1/ops/sweep"),
    "100 clients that ask and do not read": slow_readers,
    "all is well afterwards": still_there,
}
