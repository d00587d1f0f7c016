# List what there is.
default:
    @{{ just_executable() }} --justfile {{ justfile() }} --list --unsorted

# Install what is missing: packages, ONNX Runtime, Python environment. Safe to run again.
setup:
    @infra/dev/setup.sh

# Fill a fresh bucket with 300 pictures and search them; `demo once` measures and exits.
[no-exit-message]
demo *once: setup
    @.dev/venv/bin/python infra/dev/demo/demo.py {{ once }}

# Start store, broker, ingest, two embedders, captioner and searcher in the background.
up *options: setup
    @infra/dev/stack.py up {{ options }}

# Stop what `up` started.
down:
    @infra/dev/stack.py down

# Show what runs, and where.
status:
    @infra/dev/stack.py status

# Run an operator's command against what `up` started: `just ingest doctor`, `just ingest dead groups`.
[positional-arguments]
ingest *arguments:
    @infra/dev/stack.py ingest "$@"

# Format Rust code.
fmt:
    cargo fmt --all

# Check formatting, lints, documentation, dependencies, spelling, and what runs bucketlens elsewhere.
lint: setup lint-deploy
    @infra/dev/setup.sh lint
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- --deny warnings
    RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps
    .dev/bin/cargo-deny --log-level error check bans licenses sources
    .dev/venv/bin/typos --config .typos.toml

# Check Dockerfile, compose file, units, rules, dashboard and chart, without running any of them.
lint-deploy:
    @infra/dev/setup.sh deploy
    @.dev/venv/bin/python infra/deploy/check

# Build the image of a program: `just image embedder`, `just image embedder gpu`.
image program device="cpu":
    #!/usr/bin/env bash
    set -euo pipefail
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
    docker build --file infra/deploy/Dockerfile --target {{ program }} --build-arg DEVICE={{ device }} \
        --build-arg BUCKETLENS_COMMIT="$(git rev-parse HEAD)" \
        --tag "bucketlens/{{ program }}:$version{{ if device == "gpu" { "-gpu" } else { "" } }}" \
        --tag bucketlens/{{ program }}:{{ if device == "gpu" { "gpu" } else { "latest" } }} .

# Run compose with infra/deploy/compose.yaml: `just compose up --detach --build`, `just compose ps`, `just compose down`.
[positional-arguments]
compose *arguments:
    @BUCKETLENS_COMMIT="$(git rev-parse HEAD)" docker compose --file infra/deploy/compose.yaml "$@"

# Render the chart as far as that goes without helm: `just chart`, `just chart infra/deploy/helm/bucketlens/ci/full-values.yaml`.
chart values="infra/deploy/helm/bucketlens/ci/small-values.yaml":
    @infra/dev/setup.sh deploy
    @.dev/venv/bin/python infra/deploy/check/show_chart.py {{ values }}

# Run every test, with a broker of its own; arguments go to `cargo test`.
test *arguments: setup
    @infra/dev/test.sh {{ arguments }}

# Kill, cut and starve everything for some minutes and count what was lost and doubled.
test-faults *arguments: setup
    @BUCKETLENS_FAULTS=long infra/dev/test.sh --test storm {{ arguments }} -- --nocapture

# Drive the web page with a headless Chromium over a fresh stack of its own; arguments are test files of infra/measure/page.
test-page *files: setup
    @npm ci --prefix infra/measure/page --silent --no-audit --no-fund
    @.dev/venv/bin/python infra/measure/page/run.py {{ files }}

# Test the HTTP interface from outside: examples, description, hostile requests: `--only TEXT`, `--list`.
test-api *arguments: setup
    @test -x .dev/api/bin/pip || python3 -m venv .dev/api
    @.dev/api/bin/pip install --quiet --disable-pip-version-check --requirement infra/measure/api/requirements.txt
    @.dev/api/bin/python infra/measure/api/run.py {{ arguments }}

# Measure the chain and what its computing costs alone: `--profile dev`, `--images N`, `--quick`.
bench *arguments: setup
    @.dev/venv/bin/pip install --quiet --disable-pip-version-check --requirement infra/measure/bench/requirements.txt
    @.dev/venv/bin/python infra/measure/bench/bench.py {{ arguments }}

# Measure ingest with 100,000 objects and an hour's commits: `--profile dev`, `--objects N`, `--indexed N`, `--quick`.
bench-scale *arguments: setup
    @.dev/venv/bin/python infra/measure/bench/scale.py {{ arguments }}

# Measure the way from a file to the numbers of a model, against Pillow: `--profile dev`, `--rounds N`, `--quick`.
bench-preprocess *arguments: setup
    @.dev/venv/bin/pip install --quiet --disable-pip-version-check --requirement infra/measure/bench/requirements.txt
    @.dev/venv/bin/python infra/measure/bench/preprocess.py {{ arguments }}

# Measure how well searches find what they ask for, with pictures, captions and both: `--profile dev`, `--json FILE`.
bench-search *arguments: setup
    @.dev/venv/bin/python infra/measure/bench/search.py {{ arguments }}

# Measure how long searches take in 100,000 rows, beside the table library alone: `--profile dev`, `--rows N`, `--queries N`.
bench-search-latency *arguments: setup
    @.dev/venv/bin/python infra/measure/bench/search_latency.py {{ arguments }}

# See whether the page's library stays light while a browser scrolls through 100,000 pictures: `--profile dev`, `--rows N`.
bench-library *arguments: setup
    @npm ci --prefix infra/measure/page --silent --no-audit --no-fund
    @.dev/venv/bin/python infra/measure/bench/library.py {{ arguments }}

# Feed a fuzz target for so many seconds: jpeg, png, webp, gif, tiff, bmp, jxl, exif, events.
fuzz target seconds="60": setup
    @infra/measure/fuzz/run.sh {{ target }} {{ seconds }}

# Measure the chain beside a loop of Pillow and ONNX Runtime and beside transformers: `--profile dev`, `--images N`, `--rounds N`.
bench-side *arguments: setup
    @.dev/venv/bin/pip install --quiet --disable-pip-version-check --requirement infra/measure/bench/requirements.txt
    @test -x .dev/side/bin/pip || python3 -m venv .dev/side
    @.dev/side/bin/pip install --quiet --disable-pip-version-check --requirement infra/measure/bench/requirements-side.txt
    @.dev/venv/bin/python infra/measure/bench/side.py --python .dev/side/bin/python {{ arguments }}

# See whether an embedder's memory stays where it is over 20,000 pictures: `--profile dev`, `--images N`.
bench-memory *arguments: setup
    @.dev/venv/bin/python infra/measure/bench/soak.py {{ arguments }}
