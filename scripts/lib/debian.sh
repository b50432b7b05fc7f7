# Sourced by the scripts: packages of any Debian suite, unpacked and not installed.
#
# It uses an apt of its own, in whose state nothing is installed, so that it brings whatever a package needs.
# The mirror is the one that the machine uses.
# shellcheck shell=bash

# debian_apt SUITE[,SUITE...]: sets `apt` to an apt that knows these suites and prefers the last.
debian_apt() {
    local mirror suite
    mirror=$(debian_mirror)
    apt_state=$(mktemp -d)
    mkdir -p "$apt_state/lists/partial" "$apt_state/archives/partial" "$apt_state/none"
    : >"$apt_state/status"
    for suite in ${1//,/ }; do
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
    done >"$apt_state/sources.list"
    # APT::Sandbox::User: apt's own user could not write here.
    apt=(apt-get -qq -o Acquire::Retries=3 -o Acquire::Languages=none -o "APT::Sandbox::User=$(id -un)"
        -o "Dir::State=$apt_state" -o "Dir::State::lists=$apt_state/lists" -o "Dir::State::status=$apt_state/status"
        -o "Dir::Cache=$apt_state" -o "Dir::Cache::archives=$apt_state/archives"
        -o "Dir::Etc::sourcelist=$apt_state/sources.list" -o "Dir::Etc::sourceparts=$apt_state/none"
        -o "Dir::Etc::preferences=$apt_state/none/any" -o "Dir::Etc::preferencesparts=$apt_state/none"
        -o "APT::Default-Release=${1##*,}")
    "${apt[@]}" update >&2
}

# The mirror from which the machine gets its own suite.
debian_mirror() {
    local codename mirror
    command -v apt-get >/dev/null || die "apt-get is missing: this server comes from a Debian package"
    # shellcheck source=/dev/null
    codename=$(source /etc/os-release && echo "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016 # The variables are apt's.
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
        sed -n "s/ $codename\$//p" | head -n 1)
    [[ -n $mirror ]] || die "apt-get has no mirror of '$codename', which should be this machine's Debian suite"
    echo "$mirror"
}

# debian_unpack SUITES PACKAGES ROOT [alone]: the packages into ROOT, with all that they need if not alone.
debian_unpack() {
    local apt apt_state archive packages
    read -ra packages <<<"$2"
    debian_apt "$1"
    if [[ ${4:-} == alone ]]; then
        (cd "$apt_state/archives" && "${apt[@]}" download "${packages[@]}" >&2)
    else
        "${apt[@]}" install --download-only --yes --no-install-recommends "${packages[@]}" >&2 </dev/null
    fi
    for archive in "$apt_state"/archives/*.deb; do
        dpkg-deb --extract "$archive" "$3"
    done
    rm -rf "$apt_state"
}
