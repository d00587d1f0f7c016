"""The last line of every benchmark: its figures as one line of JSON."""

import json


def print_line(bench, figures, met=None):
    """`met` tells for each goal whether it was met, where the benchmark has goals."""
    line = {"bench": bench, **figures}
    if met is not None:
        line["met"] = met
    print(json.dumps(line, ensure_ascii=False), flush=True)
