# Sourced by the scripts that make, check and try a release: the tools they need, and the longer of their
# steps.
# shellcheck shell=bash

# The oldest glibc that a release runs with; docs/installing.md says so, too. It is what Rust's standard library asks
# for when it is linked on Debian 12: built on a newer system, a release may ask for more, and is refused.
oldest_glibc=2.34

# need_tool CRATE VERSION: a program of Cargo's in target/tools/bin. It is compiled without optimization: each runs for
# seconds, and would take minutes to compile with it.
need_tool() {
    local tools=$PWD/target/tools
    if [[ $("$tools/bin/$1" --version 2>/dev/null) == *"$2" ]]; then return; fi
    # Measured on two cores: 60 seconds of CPU time.
    say "compiling $1 $2 (one to two minutes, once) ..."
    cargo install --quiet --locked --debug --config profile.dev.debug=false --root "$tools" \
        --target-dir "$tools/build" --version "$2" "$1" >&2
    rm -r "$tools/build"
}

need_cargo_deb() { need_tool cargo-deb 3.8.0; }
need_cargo_deny() { need_tool cargo-deny 0.20.2; }

# need_packaging_tools: what scripts/release needs beside what builds the module.
need_packaging_tools() {
    need_cargo_deb
    # cargo-deb asks dpkg-shlibdeps which packages the libraries come from.
    command -v dpkg-shlibdeps >/dev/null || install_packages dpkg-dev ||
        die "dpkg-shlibdeps is missing: install dpkg-dev and run this again"
    python3 -m pip --version >/dev/null 2>&1 || install_packages python3-pip ||
        die "pip is missing: install Python with it (Debian: python3-pip) and run this again"
}

# What is packed beside the module, laid out as in the source, so that the links between the documents lead somewhere.
packed=(LICENSE README.md CHANGELOG.md DESIGN.md redis.conf.example docs monitoring names packaging/container
    adapters/python/README.md adapters/python/docs scripts/servers.txt)
# Who needs these has a clone: links to them become text.
only_in_the_source='^(CONTRIBUTING\.md|bench/|examples/)'

# pack_documents SOURCE DIRECTORY
pack_documents() {
    mkdir -p "$2"
    (cd "$1" && cp -r --parents "${packed[@]}" "$2")
    (cd "$2" && find . -name '*.md' -printf '%P\n') | while read -r page; do
        unlink_from "$1" "$page" "$only_in_the_source" "$2/$page"
    done
}

# unlink_from SOURCE PAGE PATTERN FILE: makes text of the links in the file, which is that page of the source, to what
# matches the pattern.
unlink_from() {
    SOURCE=$1 PAGE=$2 PATTERN=$3 perl -0pi -e '
        use File::Basename; use File::Spec::Functions qw(abs2rel catfile); use Cwd qw(realpath);
        my ($source, $folder) = (realpath($ENV{SOURCE}), dirname($ENV{PAGE}));
        s{\[([^\[\]]*)\]\(([^()#\s:]+)(?:#[^()\s]*)?\)}{
            my ($whole, $text, $target) = ($&, $1, realpath(catfile($source, $folder, $2)));
            defined $target && abs2rel($target, $source) =~ /$ENV{PATTERN}/ ? "$text (in the source)" : $whole
        }ge' "$4"
}

# debian_changelog SOURCE: the one that Debian's policy wants.
debian_changelog() {
    local version maintainer
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$1/Cargo.toml")
    maintainer=$(sed -n 's/^maintainer = "\(.*\)"/\1/p' "$1/Cargo.toml")
    printf 'redis-alkey (%s-1) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- %s  %s\n' \
        "$version" "$maintainer" "$(date -uRd "@$SOURCE_DATE_EPOCH")"
}

# check_documents DIRECTORY: that each relative link in its documents leads to a file in it, and that what they name of
# what is packed is there.
check_documents() {
    local page target bad=()
    while IFS=: read -r page target; do
        [[ -e $1/$(dirname "$page")/$target ]] || bad+=("$page links to $target")
    done < <(cd "$1" && grep -roP --include='*.md' '\]\(\K[^()#\s:]+(?=[#)])' . | sort -u)
    while read -r target; do
        [[ -e $1/$target ]] || bad+=("a document names $target")
    done < <(comm -12 <(git ls-files "${packed[@]}" | sed 'p; s|/[^/]*$||' | sort -u) \
        <(cd "$1" && grep -rohE '[[:alnum:]_.-]+(/[[:alnum:]_.-]+)*' --include='*.md' --include='*.example' \
            --include=README.Debian . | sed 's|^\(\.\./\)*||; s|\.$||' | sort -u))
    [[ ${#bad[@]} -eq 0 ]] || die "what is not there, in $1:$(printf '\n  %s' "${bad[@]}")"
}

# build_module WORK: the module from WORK/source, with debug symbols and without a trace of the directories it was
# built in. Sets `module`.
build_module() {
    local cargo_home=${CARGO_HOME:-$HOME/.cargo} map
    # Not RUSTFLAGS and plain CFLAGS, which break at a space in a path.
    printf -v CARGO_ENCODED_RUSTFLAGS '%s\x1f' "--remap-path-prefix=$1/source=/alkey" \
        "--remap-path-prefix=$1/build=/alkey/target" "--remap-path-prefix=$cargo_home=/cargo"
    printf -v map '%q ' "-ffile-prefix-map=$1/source=/alkey" "-ffile-prefix-map=$1/build=/alkey/target" \
        "-ffile-prefix-map=$cargo_home=/cargo"
    (
        cd "$1/source" || exit
        CARGO_ENCODED_RUSTFLAGS=${CARGO_ENCODED_RUSTFLAGS%$'\x1f'} CFLAGS=$map CC_SHELL_ESCAPED_FLAGS=1 \
            CARGO_PROFILE_RELEASE_DEBUG=full CARGO_TARGET_DIR=$1/build cargo build --release --locked
    )
    module=$1/build/release/libalkey.so
    if grep -qaF "$1" "$module"; then die "the module names $1, the directory it was built in"; fi
}

# split_symbols MODULE DEBUG: moves the debug symbols from one file to the other, where a debugger finds them when
# both lie in one directory.
split_symbols() {
    objcopy --only-keep-debug --compress-debug-sections=zlib "$1" "$2"
    (cd "$(dirname "$2")" && objcopy --strip-all --add-gnu-debuglink="$(basename "$2")" "$1")
    chmod 644 "$2"
}

# check_glibc MODULE: that it runs with the glibc that is stated, and that no older one could be stated.
check_glibc() {
    local needed
    needed=$(readelf --version-info --wide "$1" | grep -o 'GLIBC_[0-9.]*' | cut -d _ -f 2 | sort -Vu | tail -n 1)
    [[ $needed == "$oldest_glibc" ]] ||
        die "the module needs glibc ${needed:-of no version}, not $oldest_glibc, which scripts/lib/release.sh and" \
            "docs/installing.md state: build on Debian 12, or change both"
}

# third_party_licences SOURCE DIRECTORY: the licences of what is compiled into the module. A crate that may be used under
# one of several is used under MIT's, if that is among them.
third_party_licences() {
    local crates crate name version licence folder text
    mkdir -p "$2"
    cp "$(rustc --print sysroot)/share/doc/rust/COPYRIGHT-library.html" "$2/rust-library.html"
    crates=$(cd "$1" && cargo tree --locked --package alkey --edges normal,no-proc-macro --prefix none --no-dedupe \
        --target "$(rustc --print host-tuple)" --format '{p}|{l}' | grep -v '^alkey v' | LC_ALL=C sort -u)
    while IFS='|' read -r crate licence; do
        read -r name version <<<"$crate"
        # More than one registry may have brought it.
        folder=$(compgen -G "${CARGO_HOME:-$HOME/.cargo}/registry/src/*/$name-${version#v}" | head -n 1) || true
        [[ -n $folder ]] || die "the source of $crate is not where Cargo keeps those of its registries"
        printf '\n======== %s, %s\n\n' "$crate" "$licence"
        text=$(compgen -G "$folder/LICENSE-MIT*" || compgen -G "$folder/LICENSE" || compgen -G "$folder/LICENSES/MIT*") ||
            text=
        if [[ -n $text ]]; then
            cat "$text"
        elif [[ $name == redis-module-common ]]; then
            echo "It is part of redis-module, and has its licence."
        else
            die "$crate has no file with its licence"
        fi
    done <<<"$crates" >"$2/crates.txt"
}
