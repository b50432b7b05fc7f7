# Sourced by the scripts that run others: says what each of them took, when all have ended or one has failed.
# shellcheck shell=bash

stages=()
trap print_stages EXIT

# stage COMMAND [ARGUMENT...]: runs it, and keeps how many seconds it took. The caller ends if it fails.
stage() {
    local start=$SECONDS
    stages+=("$* (did not end)")
    "$@"
    stages[-1]=$(printf '%5d s  %s' $((SECONDS - start)) "$*")
}

# end_stages SECONDS: fails if all of them took longer than this together.
end_stages() {
    [[ $SECONDS -le $1 ]] || die "this took $SECONDS s: expected at most $1 s, so make something shorter or move it to scripts/test --long"
}

print_stages() {
    printf '%s\n' "${stages[@]}" "$(printf '%5d s  in all' "$SECONDS")" >&2
}
