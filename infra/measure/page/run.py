"""Browser tests of the web page over the whole chain: store, broker, ingest, two embedders,
captioner, searcher.

    infra/measure/page/run.py [FILE...]     all tests, or those in these files of infra/measure/page

A fresh stack in .dev/page is filled with the demo's pictures; two models embed them, so that one
can take the other's place. Node runs the tests, which learn from their environment where everything
is. Run it through `just test-page`.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
DEV_SCRIPTS = FOLDER.parents[1] / "dev"
sys.path[:0] = [str(DEV_SCRIPTS), str(DEV_SCRIPTS / "demo")]
import demo  # noqa: E402
import stack  # noqa: E402
from measure import Search  # noqa: E402

HOME = stack.DEV / "page"
COUNT = 300
UPLOADS = 20
# A seed for pictures that the demo does not have.
OTHER_SEED = "7"
SECOND = "second"
# A further site that the searcher may call, besides the public internet.
SITE = "127.0.0.2"
MODELS = stack.ROOT / "crates" / "inference" / "models"
# A second model: the demo model's graphs with other preprocessing, in its own space.
CHANGES = {
    'id = "demo-clip"': f'id = "{SECOND}"',
    'space = "demo-clip"': f'space = "{SECOND}"',
    "mean = [0.5, 0.5, 0.5]": "mean = [0.2, 0.5, 0.8]",
}


def main():
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stack.down(HOME)
    shutil.rmtree(HOME, ignore_errors=True)
    try:
        status = test(sys.argv[1:])
    except KeyboardInterrupt:
        status = 130
    finally:
        stack.down(HOME)
    sys.exit(status)


def test(files):
    print(f"drawing {COUNT + UPLOADS} pictures and starting the stack", flush=True)
    draw(HOME / "pictures", COUNT, "1")
    draw(HOME / "folder", UPLOADS, OTHER_SEED)
    env = start()
    fill(env)
    places = {
        "PAGE_URL": stack.address(HOME, "searcher"),
        "STORE_URL": env["BUCKETLENS__BUCKET__ENDPOINT"],
        "PICTURES": str(HOME / "pictures"),
        "FOLDER": str(HOME / "folder"),
        "PYTHON": sys.executable,
        "SITE": SITE,
    }
    command = ["node", "--test", "--test-concurrency=1", *files]
    return subprocess.run(command, cwd=FOLDER, env={**env, **places}, check=False).returncode


def draw(folder, count, seed):
    script = DEV_SCRIPTS / "demo" / "pictures.py"
    subprocess.run(
        [sys.executable, script, folder, "--count", str(count), "--seed", seed],
        stdout=subprocess.DEVNULL,
        check=True,
    )


def start():
    """The stack, with a second model and an embedder of its own for it."""
    models = HOME / "models"
    shutil.copytree(MODELS / "demo-clip", models / SECOND)
    manifest = models / SECOND / "model.toml"
    text = manifest.read_text(encoding="utf-8")
    for before, after in CHANGES.items():
        if before not in text:
            sys.exit(f"error: {manifest} does not say {before}")
        text = text.replace(before, after)
    manifest.write_text(text, encoding="utf-8")
    stack.PAGE["BUCKETLENS__IMAGE_URLS__ALLOW"] = f"{SITE}/32"
    stack.SERVED["BUCKETLENS__STAGES__MODELS"] = f"demo-clip,{SECOND}"
    # By default a process looks for models in "models" of its working directory.
    os.chdir(HOME)
    env = stack.up(HOME, embedders=1)
    served = {**env, "BUCKETLENS__MODELS__SERVE": SECOND}
    stack.start_service(HOME, stack.build(), "embedder", served, name=f"embedder-{SECOND}")
    return env


def fill(env):
    folder = HOME / "pictures"
    keys = [
        caption["key"]
        for caption in json.loads((folder / "captions.json").read_text(encoding="utf-8"))
    ]
    search = Search(stack.address(HOME, "searcher"))
    demo.upload(env, folder, keys)
    for count, what in ((search.indexed, "indexed"), (search.captioned, "captioned")):
        demo.follow(count, what, len(keys), demo.time.monotonic())


if __name__ == "__main__":
    main()
