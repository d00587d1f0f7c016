"""Prints the objects that the chart makes of a file of values."""

import sys
from pathlib import Path

import chart
import yaml

folder = Path(__file__).resolve().parent.parent / "helm/bucketlens"
values = chart.merge(
    yaml.safe_load((folder / "values.yaml").read_text()),
    yaml.safe_load(Path(sys.argv[1]).read_text()),
)
objects, complaint = chart.render(folder, values)
if complaint:
    sys.exit(complaint)
print(yaml.safe_dump_all(objects, sort_keys=False), end="")
