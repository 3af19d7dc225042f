#!/usr/bin/env bats
# What commands show of their progress at a terminal: a line that is redrawn, and nothing is left of it.

load ../support/lib
load ../support/jobs
load ../support/rebuild
load ../support/replicas

before_each() {
    command -v script >/dev/null || skip 'needs script'
}

after_each() {
    thaw_all
}

# Runs a command on index i at a terminal so many columns wide, whose keys are what is written to
# descriptor 8. What it shows is the log of `screen`.
at_terminal() { # COLUMNS COMMAND...
    local columns=$1
    shift
    printf 'stty cols %s rows 24; exec %q %s --index %q' "$columns" "$MKV" "$*" "$T/data/i" >"$T/command"
    mkfifo "$T/keys"
    exec 8<>"$T/keys"
    hatch screen env SHELL=/bin/sh TERM=xterm sh -c 'exec script -qefc "$(cat "$1")" /dev/null <"$2"' sh \
        "$T/command" "$T/keys"
}

# The pieces of what the terminal got that stood on one line of it, one a line.
rows() {
    sed 's/\r\x1b\[K/\n/g; s/\r$//' "$(log_of screen)"
}

# No row was wider, and at the end the cursor is where a line begins.
clean() { # COLUMNS
    rows | awk -v columns="$1" 'length($0) >= columns { print "too wide: " $0; bad = 1 } END { exit bad }'
    same 0a "$(tail -c 1 "$(log_of screen)" | od -An -tx1 | tr -d ' ')" 'last byte'
}

@test "on a terminal the progress is one line that is redrawn" {
    grown 60
    at_terminal 80 rebalance --rate 40
    await_end screen 30
    same 0 "$RC"
    clean 80
    (($(rows | grep -Ec '^rebalance \[#*\.*\] [0-9]+%') > 3)) || fail 'no bar'
    rows | grep -Eq '^rebalance \[#+\.+\] [0-9]+%  [0-9]+ s left  [0-9.]+ keys/s  [0-9]+ B/s  moved [0-9]+$'
    # Each of them is taken away before the next, and before what comes last.
    same 1 "$(tr -cd '\n' <"$(log_of screen)" | wc -c)" 'line ends'
    rows | tail -n 1 | grep -Eq '^rebalance is done after [0-9]+ s: [0-9]+ keys? moved$'
}

@test "a narrow terminal gets what fits, and Ctrl-C leaves it clean" {
    grown 60
    at_terminal 40 rebalance --rate 10
    within 10 moves
    within 10 logged screen 'rebalance \[#+\.+\] [0-9]+%  [0-9]+ s left'
    printf '\003' >&8
    await_end screen
    same 130 "$RC"
    clean 70 # what is said last is no bar
    rows | grep -E '^rebalance \[' | awk 'length($0) >= 40 { exit 1 }'
    rows | tail -n 1 | grep -Eq '^rebalance is canceled.*: [0-9]+ keys? moved$'
    job_is canceled
}

@test "findings are plain lines above the progress" {
    local n
    cluster i 'v1 v2' --replicas 2
    for ((n = 1; n <= 40; n++)); do
        put "$(url i)/key-$n" "/key-$n"
    done
    for n in 7 20 33; do
        rm "$(file_of v1 "/key-$n")"
    done
    at_terminal 80 verify --deep --rate 100
    await_end screen 30
    same 1 "$RC"
    clean 120
    same 3 "$(rows | grep -Ec "^missing  /key-[0-9]+  on $(at v1)")" findings
    rows | grep -q '^verify \['
    same 4 "$(tr -cd '\n' <"$(log_of screen)" | wc -c)" 'line ends'
}

@test "without a running index a terminal stays as clean" {
    grown 60
    stop i
    stop v2
    at_terminal 80 rebalance --rate 1
    within 10 logged screen 'volume .* is down'
    within 10 logged screen 'rebalance \['
    printf '\003' >&8
    await_end screen
    same 130 "$RC"
    rows | grep -Eq "^[-0-9T:.]+Z warn  mkv: volume $(at v2) is down"
    rows | grep -E '^rebalance \[' | awk 'length($0) >= 80 { exit 1 }'
    rows | tail -n 1 | grep -Eq '^rebalance is canceled.*: '
    within 5 gone screen
}

@test "a terminal that can't redraw gets plain lines" {
    grown 30
    hatch screen env TERM=dumb script -qefc "'$MKV' rebalance --index '$T/data/i'" /dev/null
    await_end screen
    same 0 "$RC"
    refute logged screen $'\x1b'
    logged screen '^rebalance is done: [0-9]+ keys? moved'
}

@test "a drain's progress is a bar, and then what it waits for" {
    grown 40
    at_terminal 80 drain "$(at v1)" --rate 60
    await_end screen 30
    same 0 "$RC"
    clean 150 # what is said last is no bar
    rows | grep -E '^drain \[' | awk 'length($0) >= 80 { exit 1 }'
    rows | grep -Eq '^drain \[#+\.+\] [0-9]+%  [0-9]+ s left  [0-9.]+ keys/s  [0-9]+ B/s  moved [0-9]+$'
    rows | grep -Eq '^drain \[[#.]+\] [0-9]+%  waiting for what was moved to go \(--grace\)$'
    same 1 "$(tr -cd '\n' <"$(log_of screen)" | wc -c)" 'line ends'
    rows | tail -n 1 | grep -Eq "^drain $(at v1) is done after [0-9]+ s: $(at v1) holds nothing any more: it can be unplugged$"
}

# The index's disk takes so long for each flush from now on.
slow_flushes() { # MS
    hatch slow strace -qq -f -p "$(pid_of i)" -o /dev/null -e trace=fdatasync -e "inject=fdatasync:delay_enter=$(($1 * 1000))"
    within 5 is_traced
}

is_traced() { # all threads of the index
    ! grep -q '^TracerPid:[[:space:]]*0$' "/proc/$(pid_of i)"/task/*/status
}

@test "a forget's progress is a bar" {
    command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null || skip 'needs strace'
    cluster i 'v1 v2 v3' --replicas 2
    same 40x201 "$(for n in {1..40}; do echo "PUT /key-$n"; done | requests "$(url i)")"
    stop v1
    within 5 sees i v1 down
    slow_flushes 300
    at_terminal 80 forget "$(at v1)"
    await_end screen 30
    same 0 "$RC"
    clean 150
    rows | grep -E '^forget \[[#.]+\] [0-9]+%' | awk 'length($0) >= 80 { exit 1 } END { exit NR == 0 }'
    same 1 "$(tr -cd '\n' <"$(log_of screen)" | wc -c)" 'line ends'
    rows | tail -n 1 | grep -Eq "^forget $(at v1) is done.*: copies of [0-9]+ keys on $(at v1) are forgotten; "
    stop slow
}

@test "a rebuild's progress is such a line, too, and in a pipe there is none in the first seconds" {
    local command
    cluster i 'v1 v2'
    same 20x201 "$(for n in {1..20}; do echo "PUT /key-$n"; done | requests "$(url i)")"
    stop i
    freeze v2
    command="rebuild --replace $(at v1) $(at v2)"
    at_terminal 80 "$command"
    within 10 logged screen 'rebuild [1-9][0-9]* files'
    within 10 logged screen '  listing'
    thaw v2
    await_end screen 30
    same 0 "$RC"
    clean 100
    rows | tail -n 3 | grep -Eq '^rebuilt 20 keys with 20 copies'
    # The bar is gone, and what comes last are plain lines.
    rows | grep -Eq '^rebuild [1-9][0-9]* files  .*listing$'
    refute grep -E 'listing|building' <(rows | tail -n 2)
    # shellcheck disable=SC2086 # words
    "$MKV" $command --index "$T/data/i" >"$T/out" 2>"$T/err"
    same '' "$(cat "$T/err")"
    grep -Eq '^rebuilt 20 keys with 20 copies' "$T/out"
}

# A dump of so many keys.
write_dump() { # KEYS
    echo '{"format":"mkv-dump","version":1}'
    awk -v n="$1" 'BEGIN {
        for (i = 0; i < n; i++)
            printf "{\"key\":\"/%07d\",\"size\":5,\"time\":7,\"volumes\":[\"a:1\"]}\n", i
        printf "{\"end\":true,\"keys\":%d,\"unlinked\":0,\"orphans\":0}\n", n }'
}

@test "a restore's and a dump's progress is a bar" {
    write_dump 20000 >"$T/dump"
    at_terminal 80 restore "$T/dump"
    await_end screen 30
    same 0 "$RC"
    clean 100
    rows | grep -Eq '^restore \[[#.]+\] +[0-9]+%'
    rows | tail -n 1 | grep -Eq '^restored 20000 keys, '
    rm "$T/keys" "$T/proc/screen"*
    at_terminal 80 dump ">$T/again"
    await_end screen 30
    same 0 "$RC"
    rows | grep -Eq '^dump \[[#.]+\] +[0-9]+%'
    same $'\r\x1b[K' "$(tail -c 4 "$(log_of screen)")" 'what comes last'
    cmp <(grep -o '"key":"[^"]*"' "$T/dump") <(grep -o '"key":"[^"]*"' "$T/again")
    # Not in a pipe, and not where the dump itself goes to the terminal.
    "$MKV" restore --replace --index "$T/data/i" "$T/dump" 2>"$T/err" >/dev/null
    same '' "$(cat "$T/err")"
    rm "$T/keys" "$T/proc/screen"*
    at_terminal 80 dump
    await_end screen 30
    refute logged screen '^dump \['
    refute logged screen $'\x1b'
}

@test "mkv status has colours on a terminal, and none elsewhere or where nobody wants any" {
    volume v1
    index i v1
    at_terminal 80 status
    await_end screen
    same 0 "$RC"
    logged screen $'^volume +[0-9.:]+ \x1b\\[32mup\x1b\\[0m,'
    "$MKV" status --index "$T/data/i" >"$T/status"
    refute grep -q $'\x1b' "$T/status"
    grep -Eq '^volume .* up,' "$T/status"
    rm "$T/keys" "$T/proc/screen"*
    NO_COLOR=1 at_terminal 80 status
    await_end screen
    refute logged screen $'\x1b'
    logged screen '^volume .* up,'
}

# The last whole screen that was drawn, as text.
last_screen() {
    sed 's/\x1b\[[0-9;]*m//g; s/\r//g' "$(log_of screen)" | awk -v RS='\x1b\\[H' 'END { print }' | sed 's/\x1b\[K//'
}

screen_shows() { # REGEX
    last_screen | grep -Eq "$1"
}

@test "mkv status --watch shows each second how it is, also when the index goes and comes" {
    VOLUMES=v1
    volume v1
    index i v1
    at_terminal 80 status --watch
    within 10 screen_shows '^keys +0$'
    put "$(url i)/k" value
    within 5 screen_shows '^keys +1$'
    stop v1
    within 5 screen_shows '^volume .* down'
    stop i
    within 5 screen_shows "^no index runs on "
    volume v1
    index i v1
    within 10 screen_shows '^keys +1$'
    printf '\003' >&8
    await_end screen
    same 0 "$RC"
    # The terminal is as it was: the screen of before, a cursor, lines that wrap.
    logged screen $'\x1b\\[\\?7h\x1b\\[\\?25h\x1b\\[\\?1049l'
}

@test "mkv status --watch --json is an object a line, each second" {
    volume v1
    index i v1
    hatch watcher sh -c 'exec "$1" status --watch --json --index "$2" >"$3"' sh "$MKV" "$T/data/i" "$T/lines"
    within 10 has_lines 2
    signal watcher INT
    await_end watcher 5
    same 0 "$RC"
    same 0 "$(jq -r .keys "$T/lines" | sort -u)"
}

has_lines() { # COUNT
    (($(wc -l <"$T/lines") >= $1))
}
