# Sourced after need.sh by what starts examples/bookshop.
# shellcheck shell=bash

# need_bookshop GROUP...: sets `python` to that of a virtual environment in target/, with these dependency groups of the
# bookshop's pyproject.toml, and alkey as it is in this clone.
need_bookshop() {
    local system=${ALKEY_PYTHON:-python3} directory=$PWD/target/python/bookshop-${*: -1} group
    if ! makes_environments "$system"; then
        if [[ -z ${ALKEY_PYTHON:-} ]]; then install_packages python3 python3-venv || true; fi
        hash -r
        makes_environments "$system" ||
            die "$system is no Python 3.10 or newer with its module venv: install one (Debian: python3 and python3-venv)," \
                "or set ALKEY_PYTHON to its path, and run this again"
    fi
    python=$directory/bin/python
    local needs=(examples/bookshop/pyproject.toml adapters/python/pyproject.toml)
    if cat "${needs[@]}" | cmp -s - "$directory/made-for.toml"; then return; fi
    say "bringing what the bookshop needs ..."
    rm -rf "$directory"
    "$system" -m venv "$directory"
    local pip=("$python" -m pip install --quiet --disable-pip-version-check --retries 3)
    # Older ones know no dependency groups.
    "${pip[@]}" --upgrade "pip>=25.1"
    local groups=()
    for group in "$@"; do groups+=(--group "examples/bookshop/pyproject.toml:$group"); done
    "${pip[@]}" "${groups[@]}" --editable adapters/python
    cat "${needs[@]}" >"$directory/made-for.toml"
}

# need_chromium: a browser with its driver, if one can be had.
need_chromium() {
    if command -v chromedriver >/dev/null && command -v chromium >/dev/null; then return; fi
    install_packages chromium chromium-driver
}
