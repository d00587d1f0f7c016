"""Upload links: refused requests; a link is valid for one key, length and type only."""

import json
import urllib.parse
from itertools import count

import hostile
import wire

TYPE = "image/jpeg"
NUMBER = count()


def offer(world, **file):
    file = {"name": f"link {next(NUMBER)}.jpg", "size_bytes": 1000, "content_type": TYPE, **file}
    return world.post("/v1/uploads", {"files": [file]})["uploads"][0]


def put(link, body, headers, length=None):
    url = urllib.parse.urlsplit(link["url"])
    base = f"{url.scheme}://{url.netloc}"
    headers = [
        *headers.items(),
        ("Content-Length", len(body) if length is None else length),
        ("Connection", "close"),
    ]
    return wire.exchange(
        base, wire.head(base, "PUT", f"{url.path}?{url.query}", headers) + body, "PUT"
    )


def too_large(world):
    most = world.get("/v1/status")["upload"]["max_bytes"]
    for size in (most + 1, 2**63, 2**64 - 1, 0):
        link = offer(world, size_bytes=size)
        assert "problem" in link and "url" not in link, f"{size} bytes: {link}"
    assert "url" in offer(world, size_bytes=most)


def wrong_requests(world):
    one = {"name": "a.jpg", "size_bytes": 10, "content_type": TYPE}
    headers = [("Content-Type", "application/json")]
    for body in (
        {},
        {"files": []},
        {"files": [one] * 101},
        {"files": [{**one, "size_bytes": -1}]},
        {"files": [{**one, "size_bytes": 2**64}]},
        {"files": [{**one, "key": "x"}]},
        {"files": one},
        [],
        None,
        {"files": [{**one, "last_modified_ms": 1e30}]},
    ):
        wire.problem(
            wire.ask(world.base, "/v1/uploads", "POST", headers, json.dumps(body).encode()), 400
        )


def names_stay_below_the_prefix(world):
    prefix = world.get("/v1/status")["upload"]["prefix"]
    for name in (
        "../../.bucketlens/tables/a.jpg",
        "/etc/a.jpg",
        "....//a.jpg",
        "./.././a.jpg",
        "..%2f..%2fa.jpg",
        "a/../../b.jpg",
        "~/a.jpg",
        "http://evil.example/a.jpg",
        "\u202egpj.jpg",
        "a" * 500 + ".jpg",
    ):
        link = offer(world, name=name)
        parts = link["key"].split("/")
        assert link["key"].startswith(prefix) and not {"..", "."} & set(parts), (
            f"{name}: {link['key']}"
        )
        path = urllib.parse.urlsplit(link["url"])
        assert f"{path.scheme}://{path.netloc}" == world.store, link["url"]
        assert (
            urllib.parse.unquote(path.path)
            == f"/{world.env['BUCKETLENS__BUCKET__NAME']}/{link['key']}"
        ), link["url"]
    for name in (
        "a\0.jpg",
        "a\r\nX: y.jpg",
        "..",
        "",
        "/",
        "a\\..\\b.jpg",
        "a.svg",
        "a.html",
        ".jpg",
        "a" * 600 + ".jpg",
    ):
        assert "problem" in offer(world, name=name), name
    for kind in ("text/html", "image/svg+xml", "", "image/jpeg\r\nX: y", "IMAGE/JPEG"):
        assert "problem" in offer(world, content_type=kind), kind


def objects_of_others(world):
    """/v1/objects answers for uploads only."""
    for key in (
        world.captions[0]["key"],
        ".bucketlens/tables",
        "",
        "/",
        "uploads",
        "Uploads/a.jpg",
        "../uploads/a.jpg",
    ):
        wire.problem(
            wire.ask(world.base, "/v1/objects?" + urllib.parse.urlencode({"key": key})), 400
        )
    for key in (
        "uploads/none.jpg",
        "uploads/",
        "uploads/../" + world.captions[0]["key"],
        "uploads/\0",
        "uploads/" + "a" * 1016,
        "uploads/%",
        "uploads/./../.bucketlens",
        "uploads//",
        "uploads/\u202e<script>",
        "uploads/?x=y#z",
    ):
        answer = wire.ask(world.base, "/v1/objects?" + urllib.parse.urlencode({"key": key}))
        try:
            wire.problem(answer, 404, 400)
        except AssertionError as error:
            raise AssertionError(f"{key!r}: {error}") from None
    wire.problem(wire.ask(world.base, "/v1/objects"), 400)


def only_what_was_signed(world):
    body = hostile.picture(50)
    bodies = {"another length": body + b"x", "a shorter one": body[:-1], "nothing": b""}
    for name, other in bodies.items():
        link = offer(world, size_bytes=len(body))
        denied(world, name, link, put(link, other, link["headers"]))
    for name, change in {
        "another type": {"content-type": "text/html"},
        "without overwrite protection": {"if-none-match": None},
        "with another condition": {"if-none-match": '"x"'},
    }.items():
        link = offer(world, size_bytes=len(body))
        headers = {name: value for name, value in {**link["headers"], **change}.items() if value}
        denied(world, name, link, put(link, body, headers))
    link = offer(world, size_bytes=len(body))
    url = urllib.parse.urlsplit(link["url"])
    others = {
        "another key": link["url"].replace("uploads/", "uploads/other", 1),
        "another place": link["url"].replace("uploads/", ".bucketlens/", 1),
        "a later end": link["url"].replace("X-Amz-Expires=3600", "X-Amz-Expires=360000"),
        "no signature": f"{url.scheme}://{url.netloc}{url.path}",
    }
    for name, other in others.items():
        assert other != link["url"], link["url"]
        denied(world, name, link, put({"url": other}, body, link["headers"]))
    # The signed request itself succeeds, once.
    first, again = (put(link, body, link["headers"]) for _ in range(2))
    assert (first.status, again.status) == (200, 412), (first, again)


def denied(world, name, link, answer):
    assert answer.status in (400, 403), (
        f"{name}: the store answers {answer.status or answer.closed} {answer.body[:300]!r}"
    )
    key = urllib.parse.urlencode({"key": link["key"]})
    assert wire.ask(world.base, f"/v1/objects?{key}").status == 404, f"{name}: the object is there"


CHECKS = {
    "too large or empty files get no link": too_large,
    "wrong requests are refused": wrong_requests,
    "no name leaves the folder of uploads": names_stay_below_the_prefix,
    "other objects cannot be asked for": objects_of_others,
    "a link holds for its key, length and type": only_what_was_signed,
}
