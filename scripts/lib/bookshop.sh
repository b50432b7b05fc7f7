# Sourced after need.sh by what starts examples/bookshop.
# shellcheck shell=bash

# need_bookshop GROUP...: sets `python` to that of a virtual environment in target/, with these dependency groups of the
# bookshop's pyproject.toml, and alkey as it is in this clone.
need_bookshop() {
    local system group groups=()
    system=$(default_python)
    for group in "$@"; do groups+=(--group "examples/bookshop/pyproject.toml:$group"); done
    need_environment "bookshop-${*: -1}" "$system" examples/bookshop/pyproject.toml adapters/python/pyproject.toml -- \
        "${groups[@]}" --editable adapters/python
}

# need_chromium: a browser with its driver, if one can be had.
need_chromium() {
    if command -v chromedriver >/dev/null && command -v chromium >/dev/null; then return; fi
    install_packages chromium chromium-driver
}
