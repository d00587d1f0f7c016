"""The OpenAPI description is valid, its pages work, and the server behaves as described."""

import json
import re
import subprocess
import sys
from pathlib import Path

import wire
from openapi_spec_validator import OpenAPIV31SpecValidator

CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
)
SEED, EXAMPLES, SECONDS = 20251, 100, 600
FILE_IN_PAGE = re.compile(r"""(?:src|href)\s*=\s*["']([^"']+)["']""")


def is_openapi(world):
    answer = wire.ask(world.base, "/v1/openapi.json")
    assert answer.status == 200 and answer.headers["content-type"].startswith("application/json"), (
        answer
    )
    document = json.loads(answer.body)
    assert document["openapi"].startswith("3.1"), document["openapi"]
    wrong = [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
        for error in OpenAPIV31SpecValidator(document).iter_errors()
    ]
    assert not wrong, "\n".join(wrong)
    return f"{len(document['paths'])} paths"


def docs_are_ours(world):
    answer = wire.ask(world.base, "/docs/")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/html"), answer
    files = FILE_IN_PAGE.findall(answer.body.decode())
    assert len(files) >= 3, answer.body
    for file in files:
        assert not re.match(r"(?:\w+:)?//", file), f"/docs loads from elsewhere: {file}"
        loaded = wire.ask(
            world.base, file if file.startswith("/") else "/docs/" + file.removeprefix("./")
        )
        assert loaded.status == 200 and loaded.body, f"{file}: {loaded.status}"
    assert "'unsafe-inline'" not in script_source(answer), answer.headers
    inline = re.findall(rb"<script(?![^>]*\bsrc=)[^>]*>\s*\S", answer.body)
    assert not inline, "scripts in the page itself cannot run under the policy"
    return f"{len(files)} files"


def script_source(answer):
    policy = answer.headers["content-security-policy"]
    return next(part for part in policy.split(";") if part.strip().startswith("script-src"))


def docs_redirect(world):
    answer = wire.ask(world.base, "/docs")
    target = answer.headers.get("location", "")
    assert (
        answer.status in (301, 302, 303, 307, 308)
        and re.fullmatch(r"/?docs/", target.lstrip("./"))
        or answer.status == 200
    ), answer


def schemathesis(world, *options, examples=EXAMPLES):
    """Runs generated requests and returns what failed."""
    folder = world.home / "schemathesis"
    folder.mkdir(exist_ok=True)
    report = folder / "report.ndjson"
    report.unlink(missing_ok=True)
    config = folder / "schemathesis.toml"
    if not config.exists():
        config.write_text("")
    command = [
        Path(sys.executable).with_name("schemathesis"),
        "--config-file",
        config,
        "run",
        f"{world.base}/v1/openapi.json",
    ]
    command += ["--seed", str(SEED), "--max-examples", str(examples), "--workers", "2"]
    command += [
        "--phases",
        "examples,coverage,fuzzing",
        "--checks",
        ",".join(CHECKED),
        "--no-shrink",
        "--continue-on-failure",
    ]
    command += ["--suppress-health-check", "all", "--warnings", "off", "--request-timeout", "60"]
    command += ["--report", "ndjson", "--report-ndjson-path", report, *options]
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        text=True,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    (folder / "output.txt").write_text(done.stdout + done.stderr)
    return done


def generated_requests(world):
    done = schemathesis(world)
    assert done.returncode == 0, tail(done)
    return summary(done)


def generated_requests_for_a_picture(world):
    """Uses the id of an existing picture, which generated ids never are."""
    config = world.home / "schemathesis" / "schemathesis.toml"
    config.parent.mkdir(exist_ok=True)
    config.write_text(f'[parameters]\n"path.id" = "{world.image_id()}"\n')
    try:
        done = schemathesis(
            world, "--include-path-regex", "^/v1/images", "--mode", "positive", examples=10
        )
    finally:
        config.write_text("")
    assert done.returncode == 0, tail(done)
    return summary(done)


def tail(done):
    text = done.stdout + done.stderr
    begin = text.find("= FAILURES =")
    return text[max(begin - 40, 0) :][:6000] if begin > 0 else text[-4000:]


def summary(done):
    found = re.search(r"Test cases:\n\s+(.*)", done.stdout) or re.search(
        r"(\d+ generated.*)", done.stdout
    )
    return found.group(1).strip() if found else ""


CHECKS = {
    "is valid OpenAPI 3.1": is_openapi,
    "/docs loads, from here only": docs_are_ours,
    "/docs leads to /docs/": docs_redirect,
    "generated requests are answered as described": generated_requests,
    "so are those for a picture that is there": generated_requests_for_a_picture,
}
