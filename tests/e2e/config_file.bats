#!/usr/bin/env bats
# --config FILE: a volume and an index whose options are in files, and the errors that name FILE:LINE.
# What a line may be is the unit test's (unit/options_file).

load ../support/lib

@test "a volume and an index run by their files, and the command line goes before them" {
    printf '# A volume.\nport %s\ndir %s\nlog-level debug\n' "$(at v)" "$T/data/v d" >"$T/volume.conf"
    printf 'port %s\nindex %s\nno-sync\nvolume %s\nlog-level debug\n' "$(at other)" "$T/data/i" "$(at v)" \
        >"$T/index.conf"
    mkdir "$T/data/v d"
    give_to_mkv "$T/data/v d"
    mkv_start v volume --config "$T/volume.conf"
    await_ready v
    mkv_start i index --config "$T/index.conf" --port "$(at i)"
    await_ready i
    closed "$(port other)"
    put "$(url i)/key" value
    got "$(url i)/key" value
    "$MKV" status --index "$T/data/i" --json | jq -e '.volumes[0].name == "'"$(at v)"'"'
    printf 'index %s\n' "$T/data/i" >"$T/status.conf"
    "$MKV" status --config "$T/status.conf" | grep "$(at v)"

    # A HUP rereads what the options name, not the options.
    echo nonsense >"$T/volume.conf"
    signal v HUP
    within 10 logged v 'takes its new config'
    healthy v
}

@test "--check and --print-config go by the file" {
    printf 'port %s\ndir %s\nworkers 3\n' "$(at v)" "$T/data" >"$T/volume.conf"
    give_to_mkv "$T/data"
    "$MKV" volume --config "$T/volume.conf" --print-config | grep -q '^worker_processes 3;'
    "$MKV" volume --config "$T/volume.conf" --print-config --workers 2 | grep -q '^worker_processes 2;'
    "$MKV" volume --config "$T/volume.conf" --check
}

@test "an error names the file and the line, and what nobody should trust is refused" {
    printf 'port 3001\n\nworkers none\ndir /tmp\n' >"$T/bad.conf"
    refused 2 "$T/bad.conf:3: workers must be a number from 1 to 1024, or auto: 'none'" volume --config "$T/bad.conf"
    printf 'port 3001\n' >"$T/bad.conf"
    refused 2 'PORT and DIR, here or in the --config FILE' volume --config "$T/bad.conf"
    printf 'print-config\n' >"$T/bad.conf"
    refused 2 "$T/bad.conf:1: print-config is for the command line only" index --config "$T/bad.conf"
    printf 'port 3001\ndir /tmp\n' >"$T/bad.conf"
    chmod 666 "$T/bad.conf"
    refused 2 "$T/bad.conf: everybody may write it" volume --config "$T/bad.conf"
    refused 2 "$T/none.conf: No such file" volume --config "$T/none.conf"
}
