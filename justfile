# List the recipes.
default:
    @{{ just_executable() }} --justfile {{ justfile() }} --list --unsorted

# Install missing packages, ONNX Runtime, Python environment, test pictures. Safe to repeat.
setup:
    @infra/dev/setup.sh

# Fill a new bucket with 300 pictures and search them; `demo once` measures and exits.
[no-exit-message]
demo *once: setup
    @.dev/venv/bin/python infra/dev/demo/demo.py {{ once }}

# Start store, broker, ingest, two embedders, captioner and searcher in the background.
up *options: setup
    @infra/dev/stack.py up {{ options }}

# Stop everything that `up` started.
down:
    @infra/dev/stack.py down

# Show which processes run, and where.
status:
    @infra/dev/stack.py status

# Run a command of ingest on what `up` started: `just ingest doctor`, `just ingest dead groups`.
[positional-arguments]
ingest *arguments:
    @infra/dev/stack.py ingest "$@"

# Format Rust code.
fmt:
    cargo fmt --all

# Check formatting, lints, documents, names, dependencies, spelling and the files of infra/deploy.
lint: setup lint-sources lint-deploy
    @infra/dev/setup.sh lint
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- --deny warnings
    RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps
    .dev/bin/cargo-deny --log-level error check bans licenses sources
    .dev/venv/bin/typos --config .typos.toml

# Check names of types, width of lines, crate edges and all documents.
lint-sources:
    @infra/dev/setup.sh deploy
    @.dev/venv/bin/python infra/dev/lint

# Check Dockerfile, compose files, units, rules, dashboard and chart, without running any of them.
lint-deploy:
    @infra/dev/setup.sh deploy
    @.dev/venv/bin/python infra/deploy/check

# Build the image of a program: `just image embedder`, `just image embedder gpu`.
image program device="cpu":
    #!/usr/bin/env bash
    set -euo pipefail
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
    docker build --file infra/deploy/Dockerfile --target {{ program }} \
        --build-arg DEVICE={{ device }} \
        --build-arg BUCKETLENS_COMMIT="$(git rev-parse HEAD)" \
        --tag "bucketlens/{{ program }}:$version{{ if device == "gpu" { "-gpu" } else { "" } }}" \
        --tag bucketlens/{{ program }}:{{ if device == "gpu" { "gpu" } else { "latest" } }} .

# Run docker compose with infra/deploy/compose.yaml: `just compose up --detach --build`.
[positional-arguments]
compose *arguments:
    @BUCKETLENS_COMMIT="$(git rev-parse HEAD)" docker compose --file infra/deploy/compose.yaml "$@"

# Render the chart without helm, with the values of a file of infra/deploy/helm/bucketlens/ci.
chart values="infra/deploy/helm/bucketlens/ci/small-values.yaml":
    @infra/dev/setup.sh deploy
    @.dev/venv/bin/python infra/deploy/check/show_chart.py {{ values }}

# Run all Rust tests, with a broker of their own; arguments go to `cargo test`.
test *arguments: setup
    @infra/dev/test.sh {{ arguments }}

# Kill processes and cut connections for minutes, then count lost and doubled pictures.
test-faults *arguments: setup
    @BUCKETLENS_FAULTS=long infra/dev/test.sh --test storm {{ arguments }} -- --nocapture

# Test the web page in a headless Chromium on its own stack: `just test-page search.test.mjs`.
test-page *files: setup
    @npm ci --prefix infra/measure/page --silent --no-audit --no-fund
    @.dev/venv/bin/python infra/measure/page/run.py {{ files }}

# Test the HTTP interface from outside, hostile requests included: `--only TEXT`, `--list`.
test-api *arguments: setup
    @test -x .dev/api/bin/pip || python3 -m venv .dev/api
    @.dev/api/bin/pip install --quiet --disable-pip-version-check \
        --requirement infra/measure/api/requirements.txt
    @.dev/api/bin/python infra/measure/api/run.py {{ arguments }}

# Measure: `just bench` lists the benchmarks, `just bench NAME --profile dev` runs one.
[positional-arguments]
bench *arguments: setup
    @.dev/venv/bin/python infra/measure/bench "$@"

# Fuzz a target for some seconds: jpeg, png, webp, gif, tiff, bmp, jxl, exif, events.
fuzz target seconds="60": setup
    @infra/measure/fuzz/run.sh {{ target }} {{ seconds }}
