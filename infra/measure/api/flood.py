"""Ten thousand searches over 200 connections."""

import asyncio
import collections
import itertools
import json
import random
import time

import hostile
import httpx

REQUESTS, CONNECTIONS = 10_000, 200
# On a slow machine the test ends after this time, and says so.
SECONDS = 240
# A crowd must still get this share of the searches a second that a single client gets: the server
# must not waste its time on answers that come too late.
GOODPUT = 0.25
ALONE = 30
MEMORY_BYTES = 200 << 20
BOUNDARY = {"content-type": "multipart/form-data; boundary=b"}


def mixed(world):
    """Requests of many kinds, the same ones in every run."""
    chance = random.Random(7)
    image_id = world.image_id()
    picture = (
        b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
        + hostile.picture(3)
        + b"\r\n--b--\r\n"
    )
    words = [caption[language] for caption in world.captions for language in ("en", "zh")]
    kinds = (
        lambda: (
            "GET",
            "/v1/search",
            {"params": {"q": chance.choice(words), "top_k": chance.randint(1, 50)}},
        ),
        lambda: (
            "GET",
            "/v1/search",
            {"params": {"q": chance.choice(words), "cutoff": "auto", "collapse": "duplicates"}},
        ),
        lambda: (
            "GET",
            "/v1/search",
            {"params": {"q": "red -night", "sort": "taken_at", "offset": chance.randint(0, 50)}},
        ),
        lambda: ("POST", "/v1/search", {"json": {"image_id": image_id, "top_k": 5}}),
        lambda: (
            "POST",
            "/v1/search",
            {
                "json": {
                    "text": chance.choice(words),
                    "filter": {"formats": ["jpeg"], "min_width": 400},
                }
            },
        ),
        lambda: ("POST", "/v1/search", {"content": picture, "headers": BOUNDARY}),
    )
    for _ in range(REQUESTS):
        # Pictures cost the most, and are the rarest.
        yield chance.choices(kinds, (4, 2, 2, 2, 2, 1))[0]()


async def flood(world, deadline):
    answers, wrong = collections.Counter(), []
    requests = mixed(world)
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    async with httpx.AsyncClient(base_url=world.base, limits=limits, timeout=90) as client:

        async def work():
            for method, path, options in requests:
                if time.monotonic() > deadline:
                    return
                try:
                    answer = await client.request(method, path, **options)
                except httpx.HTTPError as error:
                    answers["none"] += 1
                    wrong.append(f"{method} {path}: {error!r}")
                    continue
                answers[answer.status_code] += 1
                if reason := wrong_with(answer):
                    wrong.append(f"{method} {answer.url}: {reason}")

        await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    return answers, wrong


def wrong_with(answer):
    kind = answer.headers.get("content-type", "")
    if answer.status_code == 200:
        return (
            None if kind == "application/json" and "hits" in answer.json() else f"200 with {kind}"
        )
    if answer.status_code not in (429, 503):
        return f"{answer.status_code} {answer.text[:200]}"
    try:
        body = json.loads(answer.text)
    except ValueError:
        body = {}
    good = (
        kind == "application/problem+json"
        and body.get("status") == answer.status_code
        and body.get("detail")
    )
    return None if good else f"{answer.status_code} without a problem: {answer.text[:200]}"


def alone(world):
    """Searches a second of one client."""
    begun = time.monotonic()
    with httpx.Client(base_url=world.base, timeout=90) as client:
        for method, path, options in itertools.islice(mixed(world), ALONE):
            answer = client.request(method, path, **options)
            assert answer.status_code == 200, (
                f"{method} {path}: {answer.status_code} {answer.text[:200]}"
            )
    return ALONE / (time.monotonic() - begun)


def ten_thousand(world):
    # It also fills the caches that searches keep.
    rate = alone(world)
    before = world.memory_bytes()
    begun = time.monotonic()
    answers, wrong = asyncio.run(flood(world, begun + SECONDS))
    seconds = time.monotonic() - begun
    after = world.memory_bytes()
    counts = ", ".join(f"{count} x {status}" for status, count in sorted(answers.items(), key=str))
    grown = (after - before) >> 20
    said = f"{counts} in {seconds:.0f} s, memory {grown:+} MiB; {rate:.1f} searches/s before"
    assert not wrong, f"{said}\n{len(wrong)} were answered wrongly, such as:\n" + "\n".join(
        wrong[:5]
    )
    assert answers[200] / seconds >= rate * GOODPUT, (
        f"{said}: only {answers[200] / seconds:.2f}/s were answered with hits meanwhile"
    )
    begun = time.monotonic()
    world.searches()
    assert time.monotonic() - begun < 10, (
        f"{said}; a search afterwards took {time.monotonic() - begun:.1f} s"
    )
    assert after - before < MEMORY_BYTES, said
    total = sum(answers.values())
    return said + ("" if total == REQUESTS else f" (the time was over after {total} of {REQUESTS})")


CHECKS = {"10,000 searches over 200 connections": ten_thousand}
