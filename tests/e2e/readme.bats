#!/usr/bin/env bats
# The README's console blocks that follow the comment <!-- tested --> do what they say. In them a line
# "$ COMMAND" is run, and the lines up to the next command or empty line are its output. Port 3000 and
# the volumes' ports stand for those of a cluster brought up here, ./mkv-index for its index, and
# ./volumes for its --volumes-file. A block after <!-- tested apart --> has a cluster of its own.

load ../support/lib

README=${MKV_E2E_README:-$BATS_TEST_DIRNAME/../../README.md}

before_all() {
    local each
    for each in v1 v2 v3; do
        volume "$each"
        at "$each" >>"$F/volumes"
    done
    index i '' --volumes-file "$F/volumes" --replicas 2 --grace 0 --repair-after 1h --verify-every 30d
}

before_each() {
    [[ -e $README ]] || skip "needs README.md"
    CLUSTER=''
    ln -s "$F/data/i" "$T/mkv-index"
    ln -s "$F/volumes" "$T/volumes"
}

# Prints the lines within the fences after each comment.
tested_lines() { # COMMENT
    awk -v comment="<!-- $1 -->" '$0 == comment { armed = 1; next }
        armed && /^```/ { inside = !inside; if (!inside) { armed = 0; print "" } next }
        inside { print }' "$README"
}

# Prints the lines within the fences after <!-- options -->.
option_lines() {
    awk '/^<!-- options -->/ { armed = 1; next }
        armed && /^```/ { inside = !inside; if (!inside) exit; next }
        inside { print }' "$README"
}

# Prints what the README says with the addresses of the cluster.
here() { # TEXT
    local text=$1 n
    text=${text//localhost:3000/$(at "${CLUSTER}i")}
    for n in 1 2 3 4; do
        text=${text//localhost:300$n/$(at "${CLUSTER}v$n")}
    done
    echo "$text"
}

# Starts "mkv volume 300N DIR", or the index. Where that volume runs, the disk takes its place.
begin() { # COMMAND
    local words name was=''
    read -ra words <<<"$1"
    if [[ ${words[1]} == index ]]; then
        mkv_start "${CLUSTER}i" "${words[@]:1}" --port "$(at "${CLUSTER}i")" --index "$T/mkv-index" --grace 1
        await_ready "${CLUSTER}i"
        return
    fi
    name=${CLUSTER}v${words[2]#300}
    if find_path proc "$name.pid"; then
        was=up
        stop "$name"
        rm "$F/proc/$name".*
        within 10 sees i "$name" down
    fi
    mkdir -p "$T/${words[3]}"
    mkv_start "$name" volume "$(at "$name")" "$T/${words[3]}"
    await_ready "$name"
    [[ -z $was ]] || within 10 sees i "$name" up
}

# Its output is what the README says. (What else a command says, as of its progress, isn't there.)
outputs() { # COMMAND OUTPUT
    local output
    output=$(cd "$T" && bash -o pipefail -c "curl() { command curl -q -sS --noproxy '*' -m 30 \"\$@\"; }
mkv() { '$MKV' \"\$@\"; }
$1" 2>"$T/err") || true
    same "$2" "$(printf %s "$output" | tr -d '\r')" "output of '$1', $(cat "$T/err")"
}

# Runs one command of the README against the cluster, and compares its output. A status is what it says
# soon.
check() { # COMMAND OUTPUT
    local command output
    if [[ $1 != *curl*localhost:3000/* && $1 != *'mkv '* && $1 != 'openssl '* ]]; then
        fail "a command of the README that asks nothing of mkv: $1" || return 1
    fi
    command=$(here "$1") output=$(here "$2")
    if [[ $command == 'mkv '*' &' ]]; then
        begin "${command% &}"
    elif [[ $command == 'mkv status '* ]]; then
        within 10 outputs "$command" "$output"
    else
        outputs "$command" "$output"
    fi
}

check_all() { # COMMENT
    local line command='' output='' ran=0
    while IFS= read -r line; do
        if [[ $line == '$ '* || -z $line ]]; then
            if [[ -n $command ]]; then
                check "$command" "$output" || return 1
                ran=$((ran + 1))
            fi
            command='' output=''
        fi
        if [[ $line == '$ '* ]]; then
            command=${line#\$ }
        elif [[ -n $line ]]; then
            output+=${output:+$'\n'}$line
        fi
    done < <(tested_lines "$1")
    ((ran > 0)) || fail "no commands found in $README after $1"
}

@test "the commands of the README give the output it shows" {
    check_all tested
}

# Lays a value out as minikeyvalue does with 3 volumes, 3 replicas and 10 subvolumes.
lay_everywhere() { # KEY VALUE
    local n score path
    for n in 1 2 3; do
        score=$(printf %s "$1$(at "m-v$n")" | md5_of)
        printf -v path '%s/volume%d/sv%02X%s' "$T" $n $((16#${score:24} % 10)) "$(path_of "$1")"
        mkdir -p "${path%/*}"
        printf %s "$2" >"$path"
    done
}

@test "the README's commands take up what minikeyvalue wrote" {
    local n
    CLUSTER=m-
    rm "$T/mkv-index"
    for n in {1..20}; do
        lay_everywhere "/key/$n" "value $n"
    done
    chown -R --reference="$F/data/v1" "$T"/volume?
    check_all 'tested apart'
    for n in {1..20}; do
        got "$(url m-i)/key/$n" "value $n"
    done
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
