"""Every example does what it says."""

import re
import subprocess
import sys
from pathlib import Path

import hostile
from world import environment

EXAMPLES = Path(__file__).resolve().parent / "examples"
HIT = re.compile(r"^  -?\d+\.\d{3}  (\S.*)$", re.MULTILINE)


def run(world, *command, expect=0, **variables):
    done = subprocess.run(
        [str(part) for part in command],
        env=environment(world, **variables),
        cwd=EXAMPLES,
        text=True,
        capture_output=True,
        timeout=240,
        check=False,
    )
    said = f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert (done.returncode == 0) == (expect == 0), said
    assert "Traceback" not in done.stderr, said
    return done.stdout + (done.stderr if expect else "")


def must(text, *parts):
    for part in parts:
        assert re.search(part, text), f"lacks {part!r}:\n{text}"
    return text


def search_sh(world):
    caption = world.captions[0]
    said = must(run(world, "./search.sh", caption["en"]), "by words", "by picture")
    by_words, by_picture = said.split("by picture")
    assert len(HIT.findall(by_words)) == 5 and len(HIT.findall(by_picture)) == 5, said
    # The small picture of the best hit finds that picture first.
    first, again = HIT.findall(by_words)[0].split()[0], HIT.findall(by_picture)[0].split()[0]
    assert first == again, f"{first} is best by words, {again} by its own picture"
    must(by_words, re.escape(caption["key"]))


def search_py(world):
    said = must(
        run(world, sys.executable, "search.py", world.captions[1]["en"]),
        "words:",
        "next page",
        "more like",
        "same at night",
    )
    assert len(HIT.findall(said)) == 12, said
    must(said, re.escape(world.captions[1]["key"]), r"\[.*image -?\d")


def search_mjs(world):
    said = must(run(world, "node", "search.mjs", world.captions[2]["zh"]), "words:", "look alike")
    must(
        said.split("look alike")[0],
        re.escape(world.captions[2]["key"]),
        re.escape(world.captions[2]["zh"]),
    )


def upload_py(world):
    folder = world.home / "mine"
    folder.mkdir(exist_ok=True)
    for number in range(3):
        (folder / f"mine {number}.jpg").write_bytes(hostile.picture(20 + number))
    files = sorted(folder.glob("*.jpg"))
    said = run(world, sys.executable, "upload.py", *files)
    assert len(re.findall("is stored as uploads/mine [0-9]-[0-9a-f]{8}.jpg", said)) == 3, said
    assert said.count("is searchable") == 3, said
    again = run(world, sys.executable, "upload.py", *files)
    assert again.count("is there already") == 3 and again.count("is searchable") == 3, again


def upload_py_refused(world):
    text = world.home / "note.txt"
    text.write_text("no picture")
    must(run(world, sys.executable, "upload.py", text, expect=1), "is refused")


def operate_sh(world):
    said = run(world, "./operate.sh")
    must(
        said,
        r"embed\S*\s+\d+ of \d+ done",
        r"[1-9]\d* dead letters in [1-9]",
        "pausing embed",
        "resuming embed",
    )
    paused = [stage["paused"] for stage in world.get("/v1/ops/progress")["stages"]]
    assert not any(paused), f"left paused: {paused}"


def tables_py(world):
    settings = world.env
    store = {
        "BUCKET": settings["BUCKETLENS__BUCKET__NAME"],
        "S3_ENDPOINT": settings["BUCKETLENS__BUCKET__ENDPOINT"],
        "AWS_ACCESS_KEY_ID": settings["BUCKETLENS__BUCKET__ACCESS_KEY_ID"],
        "AWS_SECRET_ACCESS_KEY": settings["BUCKETLENS__BUCKET__SECRET_ACCESS_KEY"],
    }
    said = run(world, sys.executable, "tables.py", **store)
    must(
        said,
        "images, version",
        "vector: fixed_size_list",
        "captions_demo-captioner",
        "embeddings_demo-clip",
        "nearest to",
    )
    objects = int(re.search(r"(\d+) objects", said).group(1))
    total = world.get("/v1/library?limit=1")["total"]
    assert objects == total, f"the table shows {objects} objects, the library {total}"
    nearest = re.findall(r"^  (\d\.\d{3})  ", said.split("nearest to")[1], re.MULTILINE)
    assert len(nearest) == 5 and nearest[0] == "1.000", said
    assert "no caption" not in said, said


def unreachable(world):
    for command in (
        ["./search.sh"],
        [sys.executable, "search.py"],
        ["node", "search.mjs"],
        ["./operate.sh"],
    ):
        run(world, *command, expect=1, BASE="http://127.0.0.1:9")


CHECKS = {
    "search.sh": search_sh,
    "search.py": search_py,
    "search.mjs": search_mjs,
    "upload.py, twice": upload_py,
    "upload.py with what is no picture": upload_py_refused,
    "operate.sh": operate_sh,
    "tables.py": tables_py,
    "fail where nothing answers": unreachable,
}
