"""HTTP by hand: requests that no library would send, and raw answers."""

import http.client
import json
import select
import socket
import urllib.parse
from collections import namedtuple

# `closed` tells why there is no answer: the server closed the connection, or the time was over.
Answer = namedtuple("Answer", "status headers body closed")


def nothing(why):
    return Answer(None, {}, b"", why)


def address(base):
    url = urllib.parse.urlsplit(base)
    return url.hostname, url.port


def connect(base, seconds=30):
    return socket.create_connection(address(base), timeout=seconds)


def head(base, method, target, headers=()):
    """Request line and headers, exactly as given."""
    host, port = address(base)
    lines = [
        f"{method} {target} HTTP/1.1",
        f"Host: {host}:{port}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def exchange(base, raw, method="GET", seconds=40):
    """Sends these bytes and reads one answer."""
    with connect(base, seconds) as connection:
        try:
            connection.sendall(raw)
        except (BrokenPipeError, ConnectionResetError):
            # The server may have answered before it closed.
            pass
        return read(connection, method)


def ask(base, target, method="GET", headers=(), body=b"", seconds=40):
    """One request on a new connection; the target is sent unchanged."""
    headers = [*headers, ("Connection", "close")]
    if body or method in ("POST", "PUT"):
        headers.append(("Content-Length", len(body)))
    return exchange(base, head(base, method, target, headers) + body, method, seconds)


def read(connection, method="GET"):
    answer = http.client.HTTPResponse(connection, method=method)
    try:
        answer.begin()
        body = answer.read()
    except TimeoutError:
        return nothing("no answer in time")
    except (ConnectionError, http.client.HTTPException) as error:
        return nothing(f"closed: {error!r}")
    return Answer(
        answer.status, {name.lower(): value for name, value in answer.getheaders()}, body, None
    )


def pour(base, raw, piece, total, seconds=60):
    """Sends `raw`, then `piece` until `total` bytes or an answer; returns it and the bytes sent."""
    sent = 0
    with connect(base, seconds) as connection:
        connection.sendall(raw)
        while sent < total:
            readable, writable, _ = select.select([connection], [connection], [], seconds)
            if readable or not writable:
                break
            try:
                sent += connection.send(piece)
            except (BrokenPipeError, ConnectionResetError):
                break
        return read(connection, "POST"), sent


def problem(answer, *statuses):
    """The body of an answer that must be a problem with one of these statuses."""
    assert answer.status in statuses, (
        f"answered {answer.status or answer.closed}, expected {' or '.join(map(str, statuses))}"
    )
    kind = answer.headers.get("content-type", "")
    assert kind == "application/problem+json", (
        f"{answer.status} with content type '{kind}': {answer.body[:200]!r}"
    )
    body = json.loads(answer.body)
    assert body["status"] == answer.status and body["title"] and body["detail"], (
        f"an incomplete problem: {body}"
    )
    return body
