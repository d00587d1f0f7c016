"""Plants mistakes in a copy of the files, one at a time, and expects the checks to find each."""

import importlib

import sources

CHART = "infra/deploy/helm/bucketlens/"
README = "infra/deploy/README.md"

# By check and file: the text that is replaced, its replacement, and part of the expected finding.
PLANTED = {
    ("dockerfile", "infra/deploy/Dockerfile"): (
        ("USER 10001:10001", "USER root", "numeric user"),
        ("debian:12-slim", "debian", "DL3006"),
        ("BUCKETLENS__MODELS__FOLDER", "BUCKETLENS__MODELS__FOLDERS", "not a setting"),
    ),
    ("dockerfile", ".dockerignore"): (("!infra/deploy/container\n", "", "keeps it out"),),
    ("compose", "infra/deploy/compose.yaml"): (
        (
            "    restart: unless-stopped\n",
            "    restart: unless-stopped\n    restarts: 3\n",
            "restarts",
        ),
        ('"127.0.0.1:8080:8080"', '"8080:8080"', "reached from outside"),
        ("BUCKETLENS__EVENTS__LISTEN", "BUCKETLENS__EVENTS__LISTENS", "not a setting of ingest"),
        ("stop_grace_period: 70s", "stop_grace_period: 10s", "is killed after"),
        ("${GRAFANA_PASSWORD:?}", "admin", "must come from .env"),
        ("${BROKER_PASSWORD:?}", "${BROKER_PASSPHRASE:?}", "env.example does not have"),
        ("read_only: true\n  tmpfs", "read_only: false\n  tmpfs", "read_only"),
    ),
    ("units", "infra/deploy/systemd/bucketlens-.service.d/shared.conf"): (
        ("Restart=on-failure", "Restarts=on-failure", "Restarts"),
        ("SystemCallFilter=@system-service\nSystemCallFilter=~@privileged\n", "", "exposure"),
    ),
    ("units", "infra/deploy/systemd/bucketlens.env"): (
        ("__BUCKET__NAME", "__BUCKET__NAMES", "not a setting"),
    ),
    ("units", "infra/deploy/systemd/settings/captioner.toml"): (
        ("threshold", "limit", "not a setting of captioner"),
    ),
    ("units", "infra/deploy/systemd/bucketlens-captioner@.service"): (
        ("TimeoutStopSec=70s", "TimeoutStopSec=30s", "is killed after"),
    ),
    ("observe", "infra/deploy/observe/prometheus.yml"): (
        ("rule_files", "rules_files", "rules_files"),
    ),
    ("observe", "infra/deploy/observe/rules/alerts.yml"): (
        ("> 0.05", "> 0.5", "FAILED"),
        (
            "bucketlens_halts_total",
            "bucketlens_halted_total",
            "no metric is named bucketlens_halted",
        ),
        ("alert: BucketlensNotListening", "alert: BucketlensDeaf", "no test of the rules names"),
    ),
    ("observe", "infra/deploy/observe/rules/recording.yml"): (
        ("by (stage, outcome)", "by (stage, outcomes)", "has a label outcomes"),
    ),
    ("observe", "infra/deploy/observe/grafana/dashboards/bucketlens.json"): (
        ("bucketlens_write_seconds_bucket", "bucketlens_write_seconds", "no metric"),
        ("sum by (job) (rate(", "sum by (job) rate((", "parse error"),
    ),
    ("observe", "crates/pipeline/**/*.rs"): (
        (
            "bucketlens_write_seconds",
            "bucketlens_append_seconds",
            "no metric is named bucketlens_write",
        ),
    ),
    ("chart", CHART + "templates/ingest.yaml"): (
        ("BUCKETLENS__STAGES__MODELS", "BUCKETLENS__STAGES__MODEL", "not a setting of ingest"),
        ('"maxUnavailable" "100%"', '"maxUnavailable" 1', "would wait for the standby"),
    ),
    ("chart", CHART + "templates/_deployment.tpl"): (
        (
            "automountServiceAccountToken",
            "automountServiceAccountTokens",
            "automountServiceAccountTokens",
        ),
        ("failureThreshold: 120", 'failureThreshold: "120"', "failureThreshold"),
        ('"bucketlens.sharedEnv"', '"bucketlens.env"', "bucketlens.env"),
    ),
    ("chart", CHART + "templates/_scaled.tpl"): (
        ("queueName", "queue", "queue"),
        ('".bulk"', '".dead"', "its workers work on"),
        ("| int64 | quote", "| quote", "1e+06"),
    ),
    ("chart", CHART + "values.schema.json"): (('"maximum": 2', '"maximum": 9', "accepts"),),
    ("chart", CHART + "values.yaml"): (
        (
            "terminationGracePeriodSeconds: 90",
            "terminationGracePeriodSeconds: 30",
            "is killed after",
        ),
    ),
    ("runbook", "infra/deploy/observe/rules/alerts.yml"): (
        ("#no-sweep", "#no-sweeps", "not exist"),
    ),
    ("runbook", README): (("### No sweep", "### No sweep\n### Nothing at all", "no alert names"),),
    ("bucket", "infra/deploy/bucket/ingest.json"): (("}", "", "ingest.json"),),
}


def unnoticed(root, planted=PLANTED):
    """One finding for each planted mistake that its check does not notice."""
    with sources.copy(root) as copy:
        return [
            finding
            for (check, name), mistakes in planted.items()
            for mistake in mistakes
            for finding in look(copy, check, name, *mistake)
        ]


def count(planted=PLANTED):
    return sum(map(len, planted.values()))


def look(copy, check, name, right, wrong, expected):
    """Plants one mistake; where the name is a pattern, in the first file with that text."""
    files = [file for file in sorted(copy.glob(name)) if right in file.read_text()]
    if not files:
        yield f"mistakes: {name} does not contain '{right}', which a planted mistake replaces"
        return
    file, text = files[0], files[0].read_text()
    file.write_text(text.replace(right, wrong))
    found = list(importlib.import_module(check).findings(copy))
    file.write_text(text)
    if not any(expected in finding for finding in found):
        yield f"mistakes: {check} does not notice '{wrong.strip()}' in {name}"
