"""Answers: markup in names stays text, other sites get nothing, pages keep others out."""

import json
import urllib.parse

import hostile
import wire

FOREIGN = [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")]


def is_json_text(answer, *statuses):
    """No browser shows it as a page by its declared type; nothing_is_guessed covers guessing."""
    assert answer.status in statuses, f"{answer.status or answer.closed} {answer.body[:200]!r}"
    kind = answer.headers.get("content-type", "")
    assert kind.split(";")[0] in ("application/json", "application/problem+json"), (
        f"content type '{kind}'"
    )
    json.loads(answer.body)
    return answer


def nothing_is_guessed(world):
    """No browser may show an answer as a page, whatever it contains."""
    lacking = []
    for target in (
        "/v1/search?q=red",
        "/v1/search",
        "/v1/library",
        "/v1/library/months",
        "/v1/status",
        f"/v1/images/{world.image_id()}",
        f"/v1/images/{world.image_id()}/original",
        "/v1/images/x",
        "/v1/objects?key=uploads/a",
        "/v1/ops/progress",
        "/v1/ops/dead",
        "/v1/ops/none",
        "/v1/none",
        "/none",
        "/metrics",
        "/readyz",
        "/healthz",
    ):
        answer = wire.ask(world.base, target)
        if answer.headers.get("x-content-type-options") != "nosniff":
            lacking.append(f"{target} ({answer.status} {answer.headers.get('content-type')})")
    assert not lacking, "without 'X-Content-Type-Options: nosniff': " + ", ".join(lacking)


def markup_in_keys(world):
    quoted = urllib.parse.quote("hostile/")
    answer = is_json_text(wire.ask(world.base, f"/v1/search?q=red&top_k=100&prefix={quoted}"), 200)
    keys = {hit["key"] for hit in json.loads(answer.body)["hits"]}
    assert keys == set(hostile.NAMES), (
        f"missing: {set(hostile.NAMES) - keys}, unexpected: {keys - set(hostile.NAMES)}"
    )
    answer = is_json_text(wire.ask(world.base, "/v1/library?limit=500"), 200)
    pictures = [
        picture
        for picture in json.loads(answer.body)["pictures"]
        if picture["key"] in hostile.NAMES
    ]
    assert len(pictures) == len(hostile.NAMES), [picture["key"] for picture in pictures]
    for picture in pictures:
        facts = json.loads(
            is_json_text(wire.ask(world.base, f"/v1/images/{picture['image_id']}"), 200).body
        )
        assert facts["key"] == picture["key"] and "<script>" in facts["camera"], facts


def links_of_such_keys(world):
    """A link to an original with such a key must lead to that object and nowhere else."""
    for hit in world.get("/v1/search?q=red&top_k=100&prefix=hostile/")["hits"]:
        answer = wire.ask(world.base, hit["url"])
        assert answer.status == 302, answer
        link = urllib.parse.urlsplit(answer.headers["location"])
        assert f"{link.scheme}://{link.netloc}" == world.store, link
        stored = wire.ask(world.store, f"{link.path}?{link.query}")
        assert stored.status == 200 and stored.body in hostile.pictures().values(), (
            f"{hit['key']}: {stored.status}"
        )
        small = wire.ask(world.base, hit["thumbnail_url"])
        assert (small.headers["content-type"], small.headers.get("x-content-type-options")) == (
            "image/jpeg",
            "nosniff",
        ), small.headers


def markup_in_questions(world):
    markup = urllib.parse.quote(hostile.MARKUP)
    name = urllib.parse.quote("<script>alert(1)</script>")
    for target in (
        f"/v1/search?q={markup}&top_k={markup}",
        f"/v1/search?{name}=1",
        f"/v1/images/{name}",
        f"/v1/{name}",
        f"/{name}",
        f"/v1/library?cursor={markup}",
        f"/v1/objects?key={markup}",
        f"/v1/ops/dead?class={markup}",
        f"/v1/ops/{name}",
        f"/v1/ops/dead/{name}",
        f"/v1/ops/stages/{name}/pause",
    ):
        is_json_text(wire.ask(world.base, target), 200, 400, 404, 405)


def markup_in_uploads(world):
    names = [
        f"{hostile.MARKUP}.jpg",
        "<script>x</script>/a.jpg",
        "javascript:alert(1)/a.jpg",
        'a.jpg" onload="x.jpg',
    ]
    files = [
        {"name": name, "size_bytes": 10, "content_type": "image/jpeg"}
        for name in [*names, "<b>.exe"]
    ]
    files.append({"name": "a.jpg", "size_bytes": 10, "content_type": "<script>alert(1)</script>"})
    body = json.dumps({"files": files}).encode()
    answer = wire.ask(
        world.base, "/v1/uploads", "POST", [("Content-Type", "application/json")], body
    )
    uploads = json.loads(is_json_text(answer, 200).body)["uploads"]
    assert [upload["name"] for upload in uploads] == [file["name"] for file in files], uploads
    assert all(upload["key"].startswith("uploads/") for upload in uploads[:4]) and all(
        "problem" in upload for upload in uploads[4:]
    )


def markup_in_dead_letters(world):
    answer = is_json_text(wire.ask(world.base, "/v1/ops/dead?limit=100"), 200)
    letters = json.loads(answer.body)["letters"]
    keys = {letter["object"]["key"] for letter in letters}
    assert set(hostile.broken()) <= keys, keys
    is_json_text(wire.ask(world.base, "/v1/ops/dead/groups"), 200)


def nothing_for_other_origins(world):
    for method, target in (
        ("GET", "/"),
        ("GET", "/v1/search?q=red"),
        ("GET", "/v1/status"),
        ("GET", "/v1/library"),
        ("GET", "/docs/"),
        ("GET", "/v1/openapi.json"),
        ("GET", "/v1/ops/progress"),
        ("GET", "/nowhere"),
        ("OPTIONS", "/v1/search"),
        ("OPTIONS", "/v1/uploads"),
        ("OPTIONS", "/v1/ops/sweep"),
        ("GET", "/metrics"),
    ):
        answer = wire.ask(
            world.base, target, method, [*FOREIGN, ("Access-Control-Request-Method", "POST")]
        )
        assert answer.status, f"{target}: {answer.closed}"
        offered = [name for name in answer.headers if name.startswith("access-control-")]
        assert not offered, f"{method} {target} offers {offered}"


def other_sites_change_nothing(world):
    for site in ("cross-site", "same-site", "nonsense", ""):
        for method, target in (
            ("POST", "/v1/search"),
            ("POST", "/v1/uploads"),
            ("POST", f"/v1/images/{world.image_id()}/caption"),
            ("POST", "/v1/ops/sweep"),
            ("POST", "/v1/ops/stages/embed.demo-clip/pause"),
            ("POST", "/v1/ops/dead/drop"),
            ("DELETE", "/v1/ops/operations/1"),
            ("PUT", "/v1/ops/sweep"),
            ("PATCH", "/v1/search"),
        ):
            for body in (b"", b'{"text":"red","all":true}'):
                answer = wire.ask(
                    world.base,
                    target,
                    method,
                    [("Sec-Fetch-Site", site), ("Content-Type", "text/plain")],
                    body,
                )
                wire.problem(answer, 403)
    # Browsers treat such an address as untrusted: http, and another machine.
    for base in (world.base, world.ingest):
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
            answer = wire.ask(
                base,
                "/v1/ops/sweep",
                "POST",
                [("Origin", origin), ("Content-Type", "text/plain")],
                b"{}",
            )
            wire.problem(answer, 403)
    for site in ("same-origin", "none"):
        headers = [("Sec-Fetch-Site", site), ("Content-Type", "application/json")]
        assert wire.ask(world.base, "/v1/search", "POST", headers, b'{"text":"red"}').status == 200
    paused = [stage["paused"] for stage in world.get("/v1/ops/progress")["stages"]]
    assert not any(paused), paused


def pages_keep_others_out(world):
    for page in ("/", "/docs/", "/ui/app.js", "/ui/favicon.svg"):
        answer = wire.ask(world.base, page)
        assert answer.status == 200, f"{page}: {answer.status}"
        headers = answer.headers
        policy = headers.get("content-security-policy", "")
        for rule in (
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        ):
            assert rule in policy, f"{page}: the policy lacks {rule}: {policy}"
        scripts = next(part for part in policy.split(";") if part.strip().startswith("script-src"))
        assert (
            "unsafe" not in scripts
            and "*" not in policy
            and "http:" not in policy.replace(world.store, "")
        ), policy
        assert (
            headers.get("x-content-type-options") == "nosniff"
            and headers.get("referrer-policy") == "no-referrer"
        ), headers
        assert "server" not in headers and "x-powered-by" not in headers, headers


CHECKS = {
    "no answer lets a browser guess its type": nothing_is_guessed,
    "markup in keys and EXIF comes back as JSON": markup_in_keys,
    "links of such keys lead to these objects": links_of_such_keys,
    "markup in questions comes back as JSON": markup_in_questions,
    "markup in names of uploads comes back as JSON": markup_in_uploads,
    "markup in dead letters comes back as JSON": markup_in_dead_letters,
    "no answer is offered to other origins (CORS)": nothing_for_other_origins,
    "other sites change nothing": other_sites_change_nothing,
    "pages have headers that keep others out": pages_keep_others_out,
}
