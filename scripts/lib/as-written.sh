# Sourced before commands that are written for people (docs/installing.md, README.md), where there is no other network
# and no other process: so that they run as they are written, and one that fails ends the shell.
# shellcheck shell=bash
set -euo pipefail

sudo() { "$@"; }

# Without systemd, the script that Debian's package has for that.
systemctl() { service "$2" "$1" && wait_for_server; }

# A person has a terminal for the server and another for the client.
redis-server() {
    "${ALKEY_REDIS_SERVER:-/usr/bin/redis-server}" "$@" &
    wait_for_server
}

redis-cli() { command redis-cli -e "$@"; }

# podman takes docker's commands. A person types the next one when the server answers.
docker() {
    if [[ $1 == compose ]]; then podman-compose "${@:2}"; else podman "$@"; fi
    if [[ " $* " == *" --detach "* ]]; then wait_for_server; fi
}

wait_for_server() {
    local attempt answer
    for ((attempt = 0; attempt < 200; attempt++)); do
        answer=$(command redis-cli PING 2>&1) || true
        if [[ $answer == PONG ]]; then return; fi
        sleep 0.05
    done
    echo "the server did not answer in ten seconds, but: $answer" >&2
    return 1
}

# type_session README: the first session of the README, whose first and last replies tell a key, which has changed. That
# each reply is as the README has it is tested elsewhere.
type_session() {
    local command reply keys=()
    while read -r command; do
        echo "\$ $command"
        reply=$(eval "$command" </dev/null)
        echo "$reply"
        keys+=("$(grep -xE '[0-9a-f]{64}' <<<"$reply" || true)")
    done < <(sed '1,/^```console$/d; /^```$/,$d; s/^\$ //; t; d' "$1")
    [[ ${#keys[@]} -ge 4 && -n ${keys[0]} && -n ${keys[-1]} && ${keys[0]} != "${keys[-1]}" ]]
}
