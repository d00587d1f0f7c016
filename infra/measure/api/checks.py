"""Runs named checks and counts them."""

import time
import traceback


def each(cases, check):
    """Checks every case (a name and what the check takes) and names all that fail."""
    wrong = []
    for name, *case in cases:
        try:
            check(*case)
        except AssertionError as error:
            wrong.append(f"{name}: {error}")
    assert not wrong, "\n".join(wrong)


class Report:
    def __init__(self, only=""):
        self.only, self.passed, self.failed = only, 0, []

    def wants(self, name):
        return self.only in name

    def run(self, part, checks, world):
        """A check is a function of the world that fails by an assertion; its result is printed."""
        for title, check in checks.items():
            name = f"{part}: {title}"
            if not self.wants(name):
                continue
            begun = time.monotonic()
            try:
                said = check(world)
            except AssertionError as error:
                self.fail(name, str(error), begun)
            except Exception:
                self.fail(name, traceback.format_exc(limit=-3), begun)
            else:
                self.passed += 1
                print(
                    f"pass  {name} ({time.monotonic() - begun:.1f} s){f': {said}' if said else ''}",
                    flush=True,
                )

    def fail(self, name, why, begun):
        self.failed.append(name)
        lines = why.strip().replace("\n", "\n      ")
        print(f"FAIL  {name} ({time.monotonic() - begun:.1f} s)\n      {lines}", flush=True)

    def end(self):
        for name in self.failed:
            print(f"failed: {name}")
        print(f"{self.passed} passed, {len(self.failed)} failed", flush=True)
        return 0 if self.passed and not self.failed else 1
