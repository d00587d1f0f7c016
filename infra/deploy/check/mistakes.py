"""Mistakes that are planted in a copy of the files, one at a time. A check that does not notice its own has gone blind."""

import importlib
import shutil
import tempfile
from pathlib import Path

COPIED = ("infra", "crates/pipeline", "ingest", "embedder", "captioner", "searcher")
LEFT_OUT = ("tests", "__pycache__", "demo", "bench", "fuzz", "*.onnx")
CHART = "infra/deploy/helm/bucketlens/"

# Check, file, what is replaced by what, and a part of what must be found.
PLANTED = (
    ("dockerfile", "infra/deploy/Dockerfile", "USER 10001:10001", "USER root", "numeric user"),
    ("dockerfile", "infra/deploy/Dockerfile", "debian:12-slim", "debian", "DL3006"),
    (
        "dockerfile",
        "infra/deploy/Dockerfile",
        "BUCKETLENS__MODELS__FOLDER",
        "BUCKETLENS__MODELS__FOLDERS",
        "not a setting",
    ),
    ("dockerfile", ".dockerignore", "!infra/deploy/container\n", "", "keeps it out"),
    (
        "compose",
        "infra/deploy/compose.yaml",
        "    restart: unless-stopped\n",
        "    restart: unless-stopped\n    restarts: 3\n",
        "restarts",
    ),
    (
        "compose",
        "infra/deploy/compose.yaml",
        '"127.0.0.1:8080:8080"',
        '"8080:8080"',
        "reached from outside",
    ),
    (
        "compose",
        "infra/deploy/compose.yaml",
        "BUCKETLENS__EVENTS__LISTEN",
        "BUCKETLENS__EVENTS__LISTENS",
        "not a setting of ingest",
    ),
    (
        "compose",
        "infra/deploy/compose.yaml",
        "stop_grace_period: 70s",
        "stop_grace_period: 10s",
        "is killed after",
    ),
    (
        "compose",
        "infra/deploy/compose.yaml",
        "${GRAFANA_PASSWORD:?}",
        "admin",
        "must come from .env",
    ),
    (
        "compose",
        "infra/deploy/compose.yaml",
        "${BROKER_PASSWORD:?}",
        "${BROKER_PASSPHRASE:?}",
        "env.example does not have",
    ),
    (
        "compose",
        "infra/deploy/compose.yaml",
        "read_only: true\n  tmpfs",
        "read_only: false\n  tmpfs",
        "read_only",
    ),
    (
        "units",
        "infra/deploy/systemd/bucketlens-.service.d/shared.conf",
        "Restart=on-failure",
        "Restarts=on-failure",
        "Restarts",
    ),
    (
        "units",
        "infra/deploy/systemd/bucketlens-.service.d/shared.conf",
        "SystemCallFilter=@system-service\nSystemCallFilter=~@privileged\n",
        "",
        "exposure",
    ),
    (
        "units",
        "infra/deploy/systemd/bucketlens.env",
        "__BUCKET__NAME",
        "__BUCKET__NAMES",
        "not a setting",
    ),
    (
        "units",
        "infra/deploy/systemd/settings/captioner.toml",
        "threshold",
        "limit",
        "not a setting of captioner",
    ),
    (
        "units",
        "infra/deploy/systemd/bucketlens-captioner@.service",
        "TimeoutStopSec=70s",
        "TimeoutStopSec=30s",
        "is killed after",
    ),
    ("observe", "infra/deploy/observe/prometheus.yml", "rule_files", "rules_files", "rules_files"),
    ("observe", "infra/deploy/observe/rules/alerts.yml", "> 0.05", "> 0.5", "FAILED"),
    (
        "observe",
        "infra/deploy/observe/rules/alerts.yml",
        "bucketlens_halts_total",
        "bucketlens_halted_total",
        "no metric is named bucketlens_halted",
    ),
    (
        "observe",
        "infra/deploy/observe/rules/alerts.yml",
        "alert: BucketlensNotListening",
        "alert: BucketlensDeaf",
        "no test of the rules names",
    ),
    (
        "observe",
        "infra/deploy/observe/rules/recording.yml",
        "by (stage, outcome)",
        "by (stage, outcomes)",
        "has a label outcomes",
    ),
    (
        "observe",
        "infra/deploy/observe/grafana/dashboards/bucketlens.json",
        "bucketlens_write_seconds_bucket",
        "bucketlens_write_seconds",
        "no metric",
    ),
    (
        "observe",
        "infra/deploy/observe/grafana/dashboards/bucketlens.json",
        "sum by (job) (rate(",
        "sum by (job) rate((",
        "parse error",
    ),
    (
        "observe",
        "crates/pipeline/src/write.rs",
        "bucketlens_write_seconds",
        "bucketlens_append_seconds",
        "no metric is named bucketlens_write",
    ),
    (
        "chart",
        CHART + "templates/ingest.yaml",
        "BUCKETLENS__STAGES__MODELS",
        "BUCKETLENS__STAGES__MODEL",
        "not a setting of ingest",
    ),
    (
        "chart",
        CHART + "templates/ingest.yaml",
        '"maxUnavailable" "100%"',
        '"maxUnavailable" 1',
        "would wait for the standby",
    ),
    (
        "chart",
        CHART + "templates/_deployment.tpl",
        "automountServiceAccountToken",
        "automountServiceAccountTokens",
        "automountServiceAccountTokens",
    ),
    (
        "chart",
        CHART + "templates/_deployment.tpl",
        "failureThreshold: 120",
        'failureThreshold: "120"',
        "failureThreshold",
    ),
    (
        "chart",
        CHART + "templates/_deployment.tpl",
        '"bucketlens.sharedEnv"',
        '"bucketlens.env"',
        "bucketlens.env",
    ),
    ("chart", CHART + "templates/_scaled.tpl", "queueName", "queue", "queue"),
    ("chart", CHART + "templates/_scaled.tpl", '".bulk"', '".dead"', "its workers work on"),
    ("chart", CHART + "templates/_scaled.tpl", "| int64 | quote", "| quote", "1e+06"),
    ("chart", CHART + "values.schema.json", '"maximum": 2', '"maximum": 9', "accepts"),
    (
        "chart",
        CHART + "values.yaml",
        "terminationGracePeriodSeconds: 90",
        "terminationGracePeriodSeconds: 30",
        "is killed after",
    ),
    ("docs", "infra/deploy/observe/rules/alerts.yml", "#no-sweep", "#no-sweeps", "does not exist"),
    (
        "docs",
        "infra/deploy/README.md",
        "### No sweep",
        "### No sweep\n### Nothing at all",
        "no alert names",
    ),
    ("docs", "infra/deploy/README.md", "](compose.yaml)", "](composed.yaml)", "leads nowhere"),
    ("docs", "infra/deploy/README.md", "`just compose", "`just composed", "no recipe"),
)


def unnoticed(root):
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place)
        for folder in COPIED:
            shutil.copytree(
                root / folder,
                copy / folder,
                symlinks=True,
                ignore=shutil.ignore_patterns(*LEFT_OUT),
            )
        shutil.copytree(root / "infra/deploy/observe/tests", copy / "infra/deploy/observe/tests")
        for file in (".dockerignore", "README.md", "LICENSE", "justfile"):
            shutil.copy(root / file, copy)
        return [finding for planted in PLANTED for finding in look(copy, *planted)]


def look(copy, check, name, right, wrong, expected):
    file = copy / name
    text = file.read_text()
    if right not in text:
        yield f"mistakes: {name} holds no '{right}' that could be made wrong"
        return
    file.write_text(text.replace(right, wrong))
    found = importlib.import_module(check).findings(copy)
    file.write_text(text)
    if not any(expected in finding for finding in found):
        yield f"mistakes: {check} does not notice '{wrong.strip()}' in {name}"
