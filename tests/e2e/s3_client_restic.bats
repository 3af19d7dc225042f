#!/usr/bin/env bats
# restic (by minio-go): a repository is made, filled, checked, read back, thinned out and checked again.

load ../support/lib
load ../support/s3
load ../support/s3_clients

before_each() {
    need_client restic
    clients_cluster
    clients_home
    make_tree "$T/tree" 20
    export RESTIC_PASSWORD=x RESTIC_REPOSITORY=s3:$ENDPOINT/backups/of/this RESTIC_CACHE_DIR=$T/home/cache
}

snapshots() {
    restic snapshots --json | jq length
}

@test "init, backup, check, restore, forget --prune" {
    restic init
    restic backup "$T/tree"
    cp -a "$T/tree" "$T/first"
    head -c 3000000 /dev/urandom >"$T/tree/big"
    rm "$T/tree/deep/file 1"
    restic backup "$T/tree"
    same 2 "$(snapshots)" snapshots
    restic check --read-data

    restic restore latest --target "$T/back"
    same_tree "$T/tree" "$T/back$T/tree"
    restic restore "$(restic snapshots --json | jq -r '.[0].id')" --target "$T/back1"
    same_tree "$T/first" "$T/back1$T/tree"

    restic forget --keep-last 1 --prune
    same 1 "$(snapshots)" snapshots
    restic check --read-data
    rm -r "$T/back"
    restic restore latest --target "$T/back"
    same_tree "$T/tree" "$T/back$T/tree"
    verified
}

@test "a backup while a volume is killed" {
    RESTIC_REPOSITORY=s3:$ENDPOINT/killed
    restic init
    restic backup "$T/tree"
    crash v1
    head -c 9000000 /dev/urandom >"$T/tree/more"
    restic backup "$T/tree"
    restic check --read-data
    restic restore latest --target "$T/back"
    same_tree "$T/tree" "$T/back$T/tree"
}
