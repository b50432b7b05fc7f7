# Sourced after need.sh: the parts of a long script, how long each takes, and what runs beside them. The script says in
# `work` where the output of what runs beside may be.
# shellcheck shell=bash disable=SC2154

declare -A beside_pids=()

# part TEXT: begins a part. The one before has ended.
part() {
    if [[ -n ${part_now:-} ]]; then say "took $((SECONDS - part_began)) s: $part_now"; fi
    part_now=$1 part_began=$SECONDS
    say "$part_now ..."
}

# beside NAME COMMAND...: runs it while the script goes on.
beside() {
    # A process group of its own, to be ended as one.
    set -m
    (
        SECONDS=0
        "${@:2}"
        say "took $SECONDS s: $1, beside"
    ) &>"$work/$1.log" </dev/null &
    set +m
    beside_pids[$1]=$!
}

# joined NAME: waits for it. Prints what it has said, and goes on only if it has not failed.
joined() {
    local failed=
    wait "${beside_pids[$1]}" || failed=yes
    unset "beside_pids[$1]"
    if [[ -n $failed ]]; then
        cat "$work/$1.log" >&2
        die "$1 has failed: see above"
    fi
    tail -n "${2:-1}" "$work/$1.log" >&2
}

end_besides() {
    local name
    for name in "${!beside_pids[@]}"; do
        kill -- "-${beside_pids[$name]}" 2>/dev/null || true
        wait "${beside_pids[$name]}" 2>/dev/null || true
    done
}
