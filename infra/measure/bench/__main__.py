"""Runs one benchmark by its name: `just bench NAME [arguments]`; `just bench` alone lists them.

Installs what that one needs, prints its tables, and last of all one line of JSON: {"bench": NAME,
its figures, and "met" where it has goals}. Progress goes to standard error. All run in release
builds; `--profile dev` takes the development build.
"""

import importlib
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
DEV = FOLDER.parents[2] / ".dev"
PAGE = FOLDER.parent / "page"
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement")

Bench = namedtuple("Bench", "module about needs", defaults=((),))


def main():
    name, arguments = (sys.argv[1] if sys.argv[1:] else None), sys.argv[2:]
    if name is None:
        for each, bench in BENCHES.items():
            print(f"{each:16} {bench.about}")
        return
    if name not in BENCHES:
        sys.exit(f"error: there is no bench {name}; there are {', '.join(BENCHES)}")
    for install in BENCHES[name].needs:
        install()
    sys.argv[1:] = arguments
    importlib.import_module(BENCHES[name].module).main()


def libraries():
    """The libraries that write and run ONNX graphs, and faiss."""
    requirements(sys.executable, "requirements.txt")


def other_libraries():
    """PyTorch and transformers, in an environment of their own."""
    home = DEV / "side"
    if not (home / "bin" / "pip").exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
    requirements(home / "bin" / "python", "requirements-side.txt")


def browser():
    command = ["npm", "ci", "--prefix", PAGE, "--silent", "--no-audit", "--no-fund"]
    subprocess.run(command, stdout=sys.stderr, check=True)


def requirements(python, name):
    subprocess.run([python, *PIP, FOLDER / name], stdout=sys.stderr, check=True)


BENCHES = {
    "chain": Bench("chain_costs", "the whole chain, and its computing alone", (libraries,)),
    "scale": Bench("scale", "ingest with 100,000 objects and an hour of one-row commits"),
    "preprocess": Bench("preprocess", "from a file to a tensor, against Pillow", (libraries,)),
    "search": Bench("search", "how well searches find, with 216 known answers", (libraries,)),
    "search-latency": Bench(
        "search_latency", "searches in 1,000,000 rows, beside faiss and LanceDB", (libraries,)
    ),
    "library": Bench("library", "a browser scrolls through 100,000 pictures", (browser,)),
    "side": Bench("side", "the chain beside other programs", (libraries, other_libraries)),
    "memory": Bench("soak", "an embedder's memory over 20,000 pictures"),
}

if __name__ == "__main__":
    main()
