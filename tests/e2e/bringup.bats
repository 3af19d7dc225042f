#!/usr/bin/env bats
# scripts/bringup.sh and scripts/teardown.sh: a cluster in one command, and away again.

load ../support/lib

before_each() {
    ROOT=$BATS_TEST_DIRNAME/../..
    [[ -x $ROOT/scripts/bringup.sh ]] || skip "needs scripts/bringup.sh"
    # The index and its three volumes have consecutive ports.
    P=$("$SUPPORT/freeport" "$LEASES" $$ 4)
    for n in 0 1 2 3; do
        echo $((P + n)) >"$T/port/bringup$n"
    done
    DIR=$T/data/cluster
}

after_each() {
    if [[ -e $DIR ]]; then
        TMPDIR=$T/tmp "$ROOT/scripts/teardown.sh" --dir "$DIR" --wipe || true
    fi
}

# Runs a script under a keeper, which knows whether it leaves processes behind.
script() { # NAME SCRIPT [ARGUMENTS...]
    local name=$1 path=$ROOT/scripts/$2
    shift 2
    hatch "$name" env "MKV=$MKV" "$path" "$@"
}

@test "--detach brings a cluster up, which serves, and teardown.sh takes it down" {
    local n
    script up bringup.sh --detach --port "$P" --dir "$DIR"
    await_end up 60
    same 0 "$RC"
    refute gone up # it has left a cluster, which is its purpose
    put "http://localhost:$P/wehave" bigswag
    got "http://localhost:$P/wehave" bigswag
    # Its volumes obey it alone.
    want 403 GET "http://localhost:$((P + 1))/_mkv/space"
    same 600 "$(stat -c %a "$DIR/secret")"
    refute logged up WARNING
    script down teardown.sh --dir "$DIR"
    await_end down 30
    same 0 "$RC"
    within 2 gone up
    within 2 gone down
    for n in 0 1 2 3; do
        closed $((P + n))
    done
    same '' "$(ls -A "$T/tmp")"

    # It comes up again with its data.
    script up bringup.sh --detach --port "$P" --dir "$DIR"
    await_end up 60
    same 0 "$RC"
    got "http://localhost:$P/wehave" bigswag
    want 204 DELETE "http://localhost:$P/wehave"
    script down teardown.sh --dir "$DIR" --wipe
    await_end down 30
    same 0 "$RC"
    within 2 gone up
    [[ ! -e $DIR ]]
}

@test "in the foreground it ends with all of its processes at TERM" {
    local n
    script up bringup.sh --port "$P" --dir "$DIR"
    within 60 logged up "mkv is up: the index on port $P, 3 volumes, on ports $((P + 1)) to $((P + 3)), all in"
    within 5 logged up "^    $MKV status --index $DIR/index$"
    "$MKV" status --index "$DIR/index" | grep -q '^keys'
    want 404 GET "http://localhost:$P/none"
    signal up TERM
    await_end up 30
    same 0 "$RC"
    within 2 gone up
    for n in 0 1 2 3; do
        closed $((P + n))
    done
}

@test "the scripts tell their options" {
    local script
    for script in bringup teardown bench; do
        "$ROOT/scripts/$script.sh" --help | grep -q "^ *scripts/$script.sh "
    done
}

@test "it brings a cluster up where the kernel has no IPv6, whatever /etc/hosts says" {
    need_root
    unshare -m "$SUPPORT/noipv6" true 2>/dev/null || skip 'needs mount namespaces and seccomp'
    printf '::1 localhost\n127.0.0.1 localhost\n' >"$T/hosts"
    # shellcheck disable=SC2016 # for the shell within
    hatch up unshare -m bash -c 'mount --bind "$1" /etc/hosts && shift && exec "$@"' - "$T/hosts" \
        "$SUPPORT/noipv6" env "MKV=$MKV" "$ROOT/scripts/bringup.sh" --port "$P" --dir "$DIR" --volumes 2
    within 60 logged up 'Ctrl-C ends it'
    put "http://127.0.0.1:$P/wehave" bigswag
    got "http://127.0.0.1:$P/wehave" bigswag
    signal up TERM
    await_end up 30
    same 0 "$RC"
    within 2 gone up
}
