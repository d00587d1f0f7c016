"""Wrong requests: each is refused with a reason, and the server keeps working."""

import base64
import json
import urllib.parse

import hostile
import wire
from checks import each

FORM = [("Content-Type", "multipart/form-data; boundary=b")]
JSON = [("Content-Type", "application/json")]


def part(name, value, more=""):
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'.encode()


END = b"--b--\r\n"


def refused(world, body, headers, *statuses):
    problem = wire.problem(
        wire.ask(world.base, "/v1/search", "POST", headers, body), *(statuses or (400,))
    )
    world.pid()
    return problem


def malformed_forms(world):
    whole = part("text", "red") + END
    cases = (
        ("no boundary", [("Content-Type", "multipart/form-data")], whole),
        ("another boundary", [("Content-Type", "multipart/form-data; boundary=c")], whole),
        ("an empty boundary", [("Content-Type", "multipart/form-data; boundary=")], whole),
        (
            "a boundary of 10,000 bytes",
            [("Content-Type", "multipart/form-data; boundary=" + "b" * 10_000)],
            whole,
        ),
        ("an empty body", FORM, b""),
        ("cut off in the middle", FORM, part("image", "x" * 1000, '; filename="a.jpg"')[:500]),
        ("cut off in the headers", FORM, b"--b\r\nContent-Disposition: form-data; na"),
        ("without a name", FORM, b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + END),
        ("without a disposition", FORM, b"--b\r\n\r\nx\r\n" + END),
        ("an unknown field", FORM, part("sql", "1=1") + END),
        ("10,000 fields", FORM, b"".join(part(f"field{n}", "x") for n in range(10_000)) + END),
        (
            "a filter of 100,000 bytes",
            FORM,
            part("text", "red") + part("filter", '{"prefix":"' + "a" * 100_000 + '"}') + END,
        ),
        ("10,000 texts", FORM, b"".join(part("text", "red") for n in range(10_000)) + END),
        (
            "10,000 empty pictures",
            FORM,
            b"".join(part("image", "", '; filename="a.jpg"') for n in range(10_000)) + END,
        ),
        ("no picture at all", FORM, part("image", "<html>", '; filename="a.jpg"') + END),
        ("a number that is none", FORM, part("text", "red") + part("top_k", "many") + END),
        ("a filter that is no JSON", FORM, part("text", "red") + part("filter", "{") + END),
        (
            "bytes that are no text",
            FORM,
            b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\n\xff\xfe\r\n' + END,
        ),
    )
    each(cases, lambda headers, body: refused(world, body, headers))
    world.searches()


def half_a_form_and_gone(world):
    """A client that announces a picture, sends half of it and disconnects."""
    for _ in range(50):
        with wire.connect(world.base) as connection:
            headers = [*FORM, ("Content-Length", 1_000_000)]
            connection.sendall(
                wire.head(world.base, "POST", "/v1/search", headers) + part("image", "x" * 500_000)
            )
    world.searches()


def malformed_json(world):
    cases = (
        ("empty", b""),
        ("deeply nested", b"[" * 500_000),
        ("deeply nested objects", b'{"filter":' * 50_000),
        (
            "nested where it is allowed",
            b'{"text":"a","examples":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        ),
        ("a huge number", b'{"text":"a","top_k":1' + b"0" * 10_000 + b"}"),
        ("a huge exponent", b'{"text":"a","min_score":1e999999999}'),
        ("numbers beyond f32", b'{"vector":[1e39,1e-50]}'),
        ("a negative count", b'{"text":"a","top_k":-1}'),
        ("not UTF-8", b'{"text":"\xff\xfe"}'),
        ("half a surrogate", rb'{"text":"\ud800"}'),
        ("doubled fields", b'{"text":"a","text":"b"}'),
        ("a byte order mark", b'\xef\xbb\xbf{"text":"a"}'),
        ("an array", b"[]"),
        ("100,000 examples", b'{"examples":[' + b",".join([b'{"text":"a"}'] * 100_000) + b"]}"),
        ("9,000,000 empty examples", b'{"text":"a","examples":[' + b"{}," * 9_000_000 + b"{}]}"),
        (
            "100,000 keywords",
            b'{"text":"a","filter":{"keywords":[' + b'"a",' * 100_000 + b'"a"]}}',
        ),
        ("1,000,000 numbers", b'{"vector":[' + b",".join([b"1"] * 1_000_000) + b"]}"),
        ("a field with a long name", b'{"' + b"a" * 1_000_000 + b'":1}'),
        (
            "what is no picture",
            json.dumps({"image": base64.b64encode(b"<svg/>").decode()}).encode(),
        ),
        ("a bomb", json.dumps({"image": base64.b64encode(hostile.bomb()).decode()}).encode()),
    )

    def briefly(body):
        said = refused(world, body, JSON)["detail"]
        assert len(said) < 5000, f"the answer is as long as the question: {len(said)} characters"

    each(cases, briefly)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "", "application/xml"):
        refused(world, b'{"text":"a"}', [("Content-Type", kind)], 415)
    world.searches()


def query_strings(world):
    """Answered with hits or refused, but always answered."""
    cases = (
        ("a NUL", "q=%00"),
        ("a NUL within", "q=red%00car"),
        ("control characters", "q=" + "".join(f"%{n:02x}" for n in range(1, 32))),
        ("not UTF-8", "q=%ff%fe"),
        ("not UTF-8 as it is", "q=\udcff\udcfe"),
        ("half an escape", "q=%"),
        ("only a minus", "q=-"),
        (
            "quotes and operators",
            "q=" + urllib.parse.quote("\"red AND (car OR) +~^4 \\ * ? [a TO z] {x}'; --"),
        ),
        ("1,001 characters", "q=" + "a" * 1001),
        ("60,000 characters", "q=" + "a" * 60_000),
        ("1,000,000 characters", "q=" + "a" * 1_000_000),
        ("10,000 fields", "q=red" + "&x=1" * 10_000),
        ("twice", "q=red&q=blue"),
        ("combining marks", "q=" + urllib.parse.quote("a" + "\u0301" * 900)),
        ("a prefix with quotes", "q=red&prefix=" + urllib.parse.quote("' OR 1=1 --")),
        ("a prefix with %", "q=red&prefix=" + urllib.parse.quote("%_\\")),
        ("a made up cursor", "q=red&cursor=" + base64.urlsafe_b64encode(b'{"a":1}').decode()),
        ("min_score that is no number", "q=red&min_score=NaN"),
        ("an offset beyond all", "q=red&offset=18446744073709551616"),
    )

    def answered(query):
        answer = wire.ask(world.base, "/v1/search?" + query)
        if answer.status == 200:
            json.loads(answer.body)
        # Otherwise hyper has refused it, or we refuse it with a problem.
        elif answer.status not in (414, 431) and (answer.status != 400 or answer.body):
            wire.problem(answer, 400)

    each(cases, answered)
    for query, hits in (
        ("q=red&prefix=" + urllib.parse.quote("' OR 1=1 --"), 0),
        ("q=red&prefix=%25", 0),
        ("q=red&prefix=_", 0),
    ):
        found = world.get("/v1/search?" + query)["hits"]
        assert len(found) == hits, f"{query}: {len(found)} hits"
    world.searches()


def headers_without_end(world):
    for name, headers in (
        ("one of 64 KiB", [("X-Long", "x" * 65_536)]),
        ("64 of 1 KiB", [(f"X-{n}", "x" * 1024) for n in range(64)]),
        ("10,000 small ones", [(f"X-{n}", "x") for n in range(10_000)]),
        ("one of 2 MiB", [("X-Long", "x" * (2 << 20))]),
    ):
        answer = wire.ask(world.base, "/v1/search?q=red&top_k=1", headers=headers)
        assert answer.status in (200, 400, 431) or answer.closed.startswith("closed"), (
            f"{name}: {answer.status or answer.closed}"
        )
    world.searches()


def paths_out_of_images(world):
    for id in (
        "..%2f..%2f..%2fetc%2fpasswd",
        "../../../etc/passwd",
        "..%2fstatus",
        "%2e%2e",
        "%00",
        "a" * 31,
        "A" * 32,
        "a" * 33,
        "0" * 32 + "%00",
        "%ff%fe",
        "' OR 1=1",
        "*",
        "0" * 32 + "/../../status",
    ):
        for below in ("", "/thumbnail", "/original"):
            target = f"/v1/images/{id.replace(' ', '%20')}{below}"
            answer = wire.ask(world.base, target)
            assert answer.status in (400, 404), (
                f"{target}: {answer.status or answer.closed} {answer.body[:200]!r}"
            )
            assert b"root:" not in answer.body
    wire.problem(wire.ask(world.base, f"/v1/images/{'0' * 32}"), 404)


CHECKS = {
    "malformed forms": malformed_forms,
    "half a form and gone, 50 times": half_a_form_and_gone,
    "malformed JSON": malformed_json,
    "hostile query strings": query_strings,
    "headers without end": headers_without_end,
    "no path leads out of /v1/images": paths_out_of_images,
}
