#!/usr/bin/env bats
# A .deb in a bare Debian: installed, used, upgraded, purged. No systemd runs there, so mkv is started
# by the ExecStart lines of its units. And the tarball of the source, built where there is no network.
#
# The bare system is made once, by debootstrap, and kept as $MKV_BARE_ROOT.

load ../support/lib

before_all() {
    [[ $LONG ]] && ((UID == 0)) && command -v debootstrap >/dev/null || return 0
    BUILD=$(dirname "$MKV")
    local tar=${MKV_BARE_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/mkv/bare-root.tar}
    if [[ ! -e $tar ]] && ! make_root "$tar" >"$F/root.log" 2>&1; then
        tail -n 20 "$F/root.log"
        return 0
    fi
    mkdir "$F/root"
    tar -C "$F/root" -xf "$tar"
    local release
    for release in 1 2; do
        cpack --config "$BUILD/CPackConfig.cmake" -D CPACK_DEBIAN_PACKAGE_RELEASE=$release -B "$F/$release" \
            >"$F/cpack.log" 2>&1 || fail "$(cat "$F/cpack.log")"
        cp "$F/$release"/*.deb "$F/root/root/$release.deb"
    done
    export BUILD ROOT=$F/root
}

# Makes a bare system of this one's release, from where this one gets its packages, with what mkv
# depends on at hand but not installed.
make_root() { # TAR
    local release mirror
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' | awk -v release="$release" \
        '$2 == release { print $1; exit }')
    debootstrap --variant=minbase "$release" "$F/bare" "$mirror" || return 1
    printf '#!/bin/sh\nexit 101\n' >"$F/bare/usr/sbin/policy-rc.d" # nothing starts when it is installed
    chmod 755 "$F/bare/usr/sbin/policy-rc.d"
    chroot "$F/bare" apt-get update &&
        chroot "$F/bare" apt-get install -y --no-install-recommends --download-only nginx systemd libcurl4 \
            libexpat1 libgdbm6 libjansson4 libpq5 libssl3 libuv1 zlib1g || return 1
    mkdir -p "$(dirname "$1")" && tar -C "$F/bare" -cf "$1.new" . && mv "$1.new" "$1" && rm -rf "$F/bare"
}

before_each() {
    [[ $LONG ]] || skip "takes minutes: scripts/test.sh --long"
    need_root
    [[ ${ROOT-} ]] || skip "there is no bare system: it needs debootstrap and a network"
}

# Runs the command in the bare system, with a /proc.
in_root() {
    unshare --mount --propagation private sh -c 'mount -t proc proc "$1/proc" && mount --bind /dev "$1/dev" &&
        exec chroot "$@"' sh "$ROOT" "$@"
}

apt() {
    in_root env DEBIAN_FRONTEND=noninteractive apt-get -y -q --no-install-recommends "$@" </dev/null
}

install_release() { # RELEASE
    apt install "/root/$1.deb"
}

# start NAME UNIT: as its ExecStart line and its user say.
start() {
    local name=$1 line
    line=$(sed -n 's/^ExecStart=//p' "$ROOT/usr/lib/systemd/system/$2")
    line=${line//%i/disk1}
    # shellcheck disable=SC2016,SC2086 # for the inner shell; words
    hatch "$name" unshare --mount --propagation private sh -c 'mount -t proc proc "$1/proc" &&
        mount --bind /dev "$1/dev" && unset TMPDIR && exec chroot --userspec=mkv:mkv "$@"' sh "$ROOT" $line
    within 20 healthy "$name"
}

start_both() {
    start v mkv-volume@.service
    start i mkv-index.service
}

stop_both() {
    stop i
    stop v
}

@test "it is installed, starts, keeps its data through an upgrade, and a purge leaves them" {
    local began conf
    began=$(now_ms)
    install_release 1
    sed -i "s/:3000/:$(port i)/;s/:3001/:$(port v)/" "$ROOT/etc/mkv/"*.conf
    start_both
    put "$(url i)/first" value
    echo "# from the .deb to the first PUT: $(($(now_ms) - began)) ms" >&3
    got "$(url i)/first" value
    same mkv "$(in_root stat -c %U /var/lib/mkv/index)"
    same 700 "$(in_root stat -c %a /var/lib/mkv/index)"

    # An upgrade keeps the options, and what runs goes on until it is started anew.
    conf=$(cat "$ROOT/etc/mkv/index.conf")
    install_release 2
    same "$conf" "$(cat "$ROOT/etc/mkv/index.conf")"
    put "$(url i)/second" value
    stop_both
    start_both
    got "$(url i)/first" value
    got "$(url i)/second" value
    stop_both

    mkdir -p "$ROOT/etc/credstore"
    touch "$ROOT/etc/credstore/mkv.secret" "$ROOT/etc/credstore/other"
    apt purge mkv >"$T/said" 2>&1
    grep 'mkv: /var/lib/mkv/index holds data and stays' "$T/said"
    [[ ! -e $ROOT/etc/mkv && ! -e $ROOT/var/log/mkv && ! -e $ROOT/usr/bin/mkv ]]
    [[ ! -e $ROOT/etc/credstore/mkv.secret && -e $ROOT/etc/credstore/other ]]
    in_root getent passwd mkv

    # Who installs it again has it all.
    install_release 2
    sed -i "s/:3000/:$(port i)/;s/:3001/:$(port v)/" "$ROOT/etc/mkv/"*.conf
    start_both
    got "$(url i)/first" value
    stop_both
    apt purge mkv
}

@test "a purge of what was never used leaves nothing" {
    rm -rf "$ROOT/var/lib/mkv"
    install_release 1

    # What its scripts ask of systemd, if one runs: written down by another systemctl.
    mkdir -p "$ROOT/run/systemd/system"
    rm "$ROOT/usr/sbin/policy-rc.d" "$ROOT/bin/systemctl"
    printf '#!/bin/sh\necho "$*" >>/root/asked\n' >"$ROOT/bin/systemctl"
    chmod 755 "$ROOT/bin/systemctl"
    install_release 2
    same "--system daemon-reload
try-restart mkv-volume@*.service
try-restart mkv-index.service" "$(grep -v is-active "$ROOT/root/asked")" 'after an upgrade'
    rm "$ROOT/root/asked"

    apt purge mkv
    same 'stop mkv-index.service mkv-volume@*.service' "$(head -n 1 "$ROOT/root/asked")" 'before a removal'
    [[ ! -e $ROOT/etc/mkv && ! -e $ROOT/var/lib/mkv && ! -e $ROOT/var/log/mkv ]]
}

@test "the tarball of the source builds without a network" {
    cpack --config "$BUILD/CPackSourceConfig.cmake" -B "$T" >/dev/null
    tar -C "$T" -xzf "$T"/mkv-*.tar.gz
    cd "$T"/mkv-*/
    unshare --net cmake -G Ninja -B build -D CMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
    unshare --net cmake --build build --target mkv >/dev/null
    same "$("$MKV" --version)" "$(build/mkv --version)"
}
