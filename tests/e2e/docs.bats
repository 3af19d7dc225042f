#!/usr/bin/env bats
# What README.md and the pages in templates/man say is so. Their console blocks that follow the comment
# <!-- tested --> do what they say: in them a line "$ COMMAND" is run, and the lines up to the next
# command or empty line are its output. Port 3000 and the volumes' ports stand for those of a cluster
# brought up here, ./mkv-index for its index, and ./volumes for its --volumes-file. A block after
# <!-- tested apart --> has a cluster of its own.

load ../support/lib

ROOT=$BATS_TEST_DIRNAME/../..
PAGES=("$ROOT/README.md" "$ROOT"/templates/man/*.md)
OPERATIONS=$ROOT/templates/man/mkv-operations.7.md

before_all() {
    local each
    for each in v1 v2 v3; do
        volume "$each"
        at "$each" >>"$F/volumes"
    done
    index i '' --volumes-file "$F/volumes" --replicas 2 --grace 0 --repair-after 1h --verify-every 30d
}

before_each() {
    [[ -e $OPERATIONS ]] || skip "needs the sources"
    CLUSTER=''
    ln -s "$F/data/i" "$T/mkv-index"
    ln -s "$F/volumes" "$T/volumes"
    export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any-secret AWS_DEFAULT_REGION=us-east-1
    export AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=$T/none AWS_SHARED_CREDENTIALS_FILE=$T/none
    export NO_PROXY='*' no_proxy='*'
}

# Prints the lines within the fences of a page after each comment.
tested_lines() { # COMMENT PAGE
    awk -v comment="<!-- $1 -->" '$0 == comment { armed = 1; next }
        armed && /^```/ { inside = !inside; if (!inside) { armed = 0; print "" } next }
        inside { print }' "$2"
}

# Prints the lines within the fences after <!-- options -->.
option_lines() {
    awk '/^<!-- options -->/ { armed = 1; next }
        armed && /^```/ { inside = !inside; if (!inside) exit; next }
        inside { print }' "$ROOT/templates/man/mkv.1.md"
}

# Prints what a page says with the addresses of the cluster.
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

# Its output is what the page says. (What else a command says, as of its progress, isn't there.)
outputs() { # COMMAND OUTPUT
    local output
    output=$(cd "$T" && bash -o pipefail -c "curl() { command curl -q -sS --noproxy '*' -m 30 \"\$@\"; }
mkv() { '$MKV' \"\$@\"; }
$1" 2>"$T/err") || true
    same "$2" "$(printf %s "$output" | tr -d '\r')" "output of '$1', $(cat "$T/err")"
}

# Runs one command of a page against the cluster, and compares its output. A status is what it says
# soon.
check() { # COMMAND OUTPUT
    local command output
    if [[ $1 != *localhost:3000* && $1 != *'mkv '* && $1 != 'openssl '* ]]; then
        fail "a command that asks nothing of mkv: $1" || return 1
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

check_all() { # COMMENT PAGE
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
    done < <(tested_lines "$1" "$2")
    ((ran > 0)) || fail "no commands found in $2 after $1"
}

@test "the commands of the README and of the pages give the output that stands there" {
    local page n=0
    for page in "${PAGES[@]}"; do
        if grep -q '^<!-- tested -->' "$page"; then
            check_all tested "$page" || fail "$page" || return 1
            n=$((n + 1))
        fi
    done
    ((n >= 4)) # the README, the two APIs, operations
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

@test "the commands of mkv-operations(7) take up what minikeyvalue wrote" {
    local n
    CLUSTER=m-
    rm "$T/mkv-index"
    for n in {1..20}; do
        lay_everywhere "/key/$n" "value $n"
    done
    chown -R --reference="$F/data/v1" "$T"/volume?
    check_all 'tested apart' "$OPERATIONS"
    for n in {1..20}; do
        got "$(url m-i)/key/$n" "value $n"
    done
}

@test "the sed of mkv-operations(7) renames a volume in a dump, and changes nothing else" {
    local program key
    program=$(grep -o "sed 's#[^']*#'" "$OPERATIONS" | sed "s/^sed '//; s/'$//")
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

@test "mkv(1) lists every option as --help does, and no other" {
    local command
    for command in $("$MKV" --help | awk '/^  / { print $1 }'); do
        "$MKV" "$command" --help
    done >"$T/all"
    grep '^  --' "$T/all" | sort -u >"$T/help"
    option_lines | grep '^  --' | sort >"$T/page"
    [[ -s $T/help ]]
    diff "$T/help" "$T/page"
    diff <(grep -o '^usage: .*' "$T/all") <(option_lines | grep '^usage: ')
}

@test "the README is short, and its lines are" {
    (($(wc -l <"$ROOT/README.md") <= 150))
    refute grep -nE '^.{101}' "$ROOT/README.md"
}

# Whether a file has a heading of which a forge makes this anchor.
has_anchor() { # FILE ANCHOR
    local list=$T/anchors${1//\//_}
    [[ -e $list ]] || sed -n 's/^##* //p' "$1" | tr '[:upper:] ' '[:lower:]-' | sed "s/[^a-z0-9_-]//g" >"$list"
    grep -qxF -- "$2" "$list"
}

@test "every link between the pages leads somewhere" {
    local page link file n=0
    for page in "${PAGES[@]}"; do
        while IFS= read -r link; do
            file=${link%%#*}
            [[ -n $file ]] && file=${page%/*}/$file || file=$page
            [[ -e $file ]] || fail "${page##*/} links to $link" || return 1
            if [[ $link == *'#'* ]]; then
                has_anchor "$file" "${link#*#}" || fail "${page##*/} links to $link" || return 1
            fi
            n=$((n + 1))
        done < <(grep -oE '\]\([^):]+\)|^\[[^]]+\]: [^:]+$' "$page" | sed -E 's/^\]\(//; s/\)$//; s/^\[[^]]+\]: //')
    done
    ((n > 50))
}
