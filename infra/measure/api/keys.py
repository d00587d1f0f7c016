"""API keys of searches and operations: ingest restarts with one, another searcher has one."""

import urllib.parse

import processes
import stack
import wire

SEARCH_KEY, OPS_KEY = "key-of-searches", "key-of-operators"
OPERATIONS = (
    ("GET", "/v1/ops/progress"),
    ("GET", "/v1/ops/dead/groups"),
    ("GET", "/v1/ops/health"),
    ("GET", "/v1/ops/models"),
    ("GET", "/v1/ops/operations"),
    ("POST", "/v1/ops/stages/embed.demo-clip/pause"),
    ("POST", "/v1/ops/dead/drop"),
    ("GET", "/v1/ops/none"),
)
SEARCHES = (
    "/v1/search?q=red",
    "/v1/status",
    "/v1/library",
    "/v1/images/" + "0" * 32,
    "/v1/objects?key=uploads/a",
    "/v1/none",
)


def bearer(key):
    return [("Authorization", f"Bearer {key}")] if key else []


def start(world):
    """Both keys are set from here on."""
    if stack.address(world.home, "searcher-keyed"):
        return stack.address(world.home, "searcher-keyed")
    port = urllib.parse.urlsplit(world.ingest).port
    processes.stop(stack.run_file(world.home, "ingest"))
    env = {**stack.SERVED, **world.env, "BUCKETLENS__OPS__API_KEY": OPS_KEY}
    stack.start_service(world.home, world.programs, "ingest", env, preferred_port=port)
    env = {
        **world.env,
        "BUCKETLENS__ACCESS__API_KEY": SEARCH_KEY,
        "BUCKETLENS__OPERATIONS__URL": world.ingest,
        "BUCKETLENS__UPLOAD__ENABLED": "true",
    }
    stack.start_service(world.home, world.programs, "searcher", env, name="searcher-keyed")
    for name in ("ingest", "searcher-keyed"):
        url = stack.address(world.home, name)
        processes.wait_ready(
            stack.run_file(world.home, name),
            name,
            lambda url=url: stack.ready(url),
            stack.READY_SECONDS,
        )
    return stack.address(world.home, "searcher-keyed")


def unauthorized(answer, what):
    try:
        wire.problem(answer, 401)
    except AssertionError as error:
        raise AssertionError(f"{what}: {error}") from None
    # The realm says that ingest refused, not the searcher.
    asked_for = answer.headers.get("www-authenticate")
    assert asked_for in ("Bearer", 'Bearer realm="operators"'), f"{what}: {answer.headers}"


def operators_key(world):
    start(world)
    for method, target in OPERATIONS:
        for key in ("", SEARCH_KEY, OPS_KEY[:-1], OPS_KEY + "x", OPS_KEY.upper()):
            unauthorized(
                wire.ask(world.base, target, method, bearer(key)), f"{method} {target} with '{key}'"
            )
        unauthorized(
            wire.ask(world.base, target, method, [("Authorization", f"Basic {OPS_KEY}")]),
            f"{method} {target}",
        )
    for method, target in OPERATIONS[:5]:
        assert wire.ask(world.base, target, method, bearer(OPS_KEY)).status == 200, target
    wire.problem(wire.ask(world.base, "/v1/ops/dead/drop", "POST", bearer(OPS_KEY)), 400)
    # The searcher of the page has no key: everybody may still search.
    world.searches()


def both_keys(world):
    keyed = start(world)
    for target in SEARCHES:
        for key in ("", OPS_KEY, SEARCH_KEY[1:]):
            unauthorized(wire.ask(keyed, target, headers=bearer(key)), f"{target} with '{key}'")
        assert wire.ask(keyed, target, headers=bearer(SEARCH_KEY)).status in (200, 404), target
    for target in (f"{SEARCHES[0]}&api_key={SEARCH_KEY}", f"{SEARCHES[0]}&key={SEARCH_KEY}"):
        unauthorized(wire.ask(keyed, target), target)
    for method, target in OPERATIONS[:5]:
        unauthorized(
            wire.ask(keyed, target, method, bearer(SEARCH_KEY)),
            f"{target} with the key of searches",
        )
        unauthorized(
            wire.ask(keyed, target, method, bearer(OPS_KEY)),
            f"{target} without the key of searches",
        )
        sent = [*bearer(SEARCH_KEY), ("Operators-Key", OPS_KEY)]
        answer = wire.ask(keyed, target, method, sent)
        assert answer.status == 200, f"{target}: {answer.status} {answer.body[:200]!r}"
    # What the page needs before a key can be typed, and the health checks.
    for target in ("/", "/docs/", "/v1/openapi.json", "/healthz", "/readyz"):
        assert wire.ask(keyed, target).status == 200, target


def off_without_address(world):
    """Where operations.url is empty, nothing is forwarded; where upload is off, no link is made."""
    start(world)
    stack.start_service(world.home, world.programs, "searcher", world.env, name="searcher-plain")
    url = stack.address(world.home, "searcher-plain")
    file = stack.run_file(world.home, "searcher-plain")
    processes.wait_ready(file, "searcher-plain", lambda: stack.ready(url), stack.READY_SECONDS)
    wire.problem(wire.ask(url, "/v1/ops/progress", headers=bearer(OPS_KEY)), 503)
    one = b'{"files":[{"name":"a.jpg","size_bytes":1,"content_type":"image/jpeg"}]}'
    wire.problem(
        wire.ask(url, "/v1/uploads", "POST", [("Content-Type", "application/json")], one), 403
    )
    wire.problem(wire.ask(url, "/v1/objects?key=uploads/a.jpg"), 403)
    processes.stop(file)


def ingest_away(world):
    """Last of all: 503 in words, and searches go on."""
    start(world)
    processes.stop(stack.run_file(world.home, "ingest"))
    wire.problem(wire.ask(world.base, "/v1/ops/progress", headers=bearer(OPS_KEY)), 503)
    world.searches()


CHECKS = {
    "operations want the operator's key": operators_key,
    "the key of searches is another one": both_keys,
    "nothing is forwarded or uploaded where it is off": off_without_address,
    "ingest away": ingest_away,
}
