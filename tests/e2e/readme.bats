#!/usr/bin/env bats
# The README's console block that follows the comment <!-- tested --> does what it says. In it a
# line "$ COMMAND" is run, and the lines up to the next command or empty line are its output.
# Port 3000 and the volumes' ports stand for those of a cluster brought up here, and ./mkv-index for
# its index.

load ../support/lib

README=${MKV_E2E_README:-$BATS_TEST_DIRNAME/../../README.md}

before_all() {
    cluster i 'v1 v2 v3'
}

before_each() {
    [[ -e $README ]] || skip "needs README.md"
    ln -s "$F/data/i" "$T/mkv-index"
}

# Prints the lines within the fences after each <!-- tested -->.
tested_lines() {
    awk '/^<!-- tested -->/ { armed = 1; next }
        armed && /^```/ { inside = !inside; if (!inside) { armed = 0; print "" } next }
        inside { print }' "$README"
}

# Prints the lines within the fences after <!-- options -->.
option_lines() {
    awk '/^<!-- options -->/ { armed = 1; next }
        armed && /^```/ { inside = !inside; if (!inside) exit; next }
        inside { print }' "$README"
}

# Runs one command of the README against the cluster, and compares its output.
check() { # COMMAND OUTPUT
    local command=$1 output each
    if [[ $command != *curl*localhost:3000/* && $command != 'mkv '* ]]; then
        fail "a command of the README that asks nothing of mkv: $command" || return 1
    fi
    command=${command//localhost:3000/$(at i)}
    for each in 1 2 3; do
        command=${command//localhost:300$each/$(at v$each)}
    done
    output=$(cd "$T" && bash -o pipefail -c "curl() { command curl -q -sS --noproxy '*' -m 30 \"\$@\"; }
mkv() { '$MKV' \"\$@\"; }
$command" 2>&1)
    same "$2" "$(printf %s "$output" | tr -d '\r')" "output of '$1'"
}

@test "the commands of the README give the output it shows" {
    local line command='' output='' ran=0
    while IFS= read -r line; do
        if [[ $line == '$ '* || -z $line ]]; then
            if [[ -n $command ]]; then
                check "$command" "$output"
                ran=$((ran + 1))
            fi
            command='' output=''
        fi
        if [[ $line == '$ '* ]]; then
            command=${line#\$ }
        elif [[ -n $line ]]; then
            output+=${output:+$'\n'}$line
        fi
    done < <(tested_lines)
    ((ran > 0)) || fail "no tested commands found in $README"
}

@test "the README's sed renames a volume in a dump, and changes nothing else" {
    local program key
    program=$(grep -o "sed 's#[^']*#'" "$README" | sed "s/^sed '//; s/'$//")
    for key in 1 2 3 4 5 6 disk1.lan:3001; do
        put "$(url i)/renamed/$key" x
    done
    "$MKV" dump --index "$T/mkv-index" | sed "s#$(at v1)#disk1.lan:3001#" >"$T/before"
    printf '{"key":"/s","size":1,"time":1,"volumes":["disk1.lan:3001%s","other:1"]}\n' \
        '' /sv0A ' 95747a2d/sv0A' 0 >>"$T/before"
    sed 's#"disk1\.lan:3001\([ "/]\)#"disk7.lan:3001\1#' "$T/before" >"$T/after"
    refute cmp -s "$T/before" "$T/after"
    sed "$program" "$T/before" | diff - "$T/after"
}

@test "the README lists every option as --help does, and no other" {
    local command
    for command in $("$MKV" --help | awk '/^  / { print $1 }'); do
        "$MKV" "$command" --help
    done >"$T/all"
    grep '^  --' "$T/all" | sort -u >"$T/help"
    option_lines | grep '^  --' | sort >"$T/readme"
    [[ -s $T/help ]]
    diff "$T/help" "$T/readme"
    diff <(grep -o '^usage: .*' "$T/all") <(option_lines | grep '^usage: ')
}
