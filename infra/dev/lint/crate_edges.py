"""Which crate may depend on which: .deny.toml, without its tool, and what that tool cannot see."""

import re
import tomllib

import sources

PLANTED = {
    "crates/table/Cargo.toml": (
        ("[dependencies]\n", "[dependencies]\npipeline.workspace = true\n", "may not depend"),
    ),
    "captioner/Cargo.toml": (
        ("[dependencies]\n", '[dependencies]\nembedder = { path = "../embedder" }\n', "embedder"),
    ),
    ".deny.toml": (('crate = "worker"', 'crate = "workers"', "says nothing of the crate worker"),),
    "captioner/src/lib.rs": (
        ("\nmod ", '\n#[path = "../../embedder/src/lib.rs"]\nmod ', "leads out of its crate"),
    ),
}
# Compiled for tests alone, so no rule restricts who uses them.
FREE = {"testkit", "devstore"}


def findings(root):
    manifests = {}
    for name in sources.tracked(root, "Cargo.toml"):
        manifest = tomllib.loads((root / name).read_text())
        if "package" in manifest and "/fuzz/" not in name:
            manifests[manifest["package"]["name"]] = manifest
    banned = tomllib.loads((root / ".deny.toml").read_text())["bans"]["deny"]
    allowed = {rule["crate"]: rule["wrappers"] for rule in banned}
    libraries = {name for name in manifests if (root / "crates" / name).exists()} - FREE
    yield from (
        f".deny.toml says nothing of the crate {name}" for name in sorted(libraries - set(allowed))
    )
    # Programs are used by nobody.
    allowed |= {name: [] for name in manifests if name not in libraries | FREE}
    for name, manifest in sorted(manifests.items()):
        for used in sorted(dependencies(manifest)):
            if used in allowed and name not in allowed[used]:
                yield f"{name} may not depend on {used}"
    yield from leading_out(root)


def dependencies(manifest):
    tables = [manifest, *manifest.get("target", {}).values()]
    kinds = ("dependencies", "dev-dependencies", "build-dependencies")
    entries = [entry for table in tables for kind in kinds for entry in table.get(kind, {}).items()]
    return {used.get("package", name) if isinstance(used, dict) else name for name, used in entries}


def leading_out(root):
    """Modules that are taken from the sources of another crate by their path."""
    for name in sources.tracked(root, ".rs"):
        if "/fuzz/" in name:
            continue
        folder = (root / name).parent
        for path in re.findall(r'#\[path = "([^"]+)"\]', (root / name).read_text()):
            if crate_of((folder / path).resolve()) != crate_of(folder.resolve()):
                yield f"{name}: the module at {path} leads out of its crate"


def crate_of(place):
    return next((folder for folder in place.parents if (folder / "Cargo.toml").exists()), None)
