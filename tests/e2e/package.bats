#!/usr/bin/env bats
# The packages: what is in them, and what Debian's checker has to say. package_install.bats installs one.

load ../support/lib

before_all() {
    BUILD=$(dirname "$MKV")
    export BUILD
    command -v dpkg-shlibdeps >/dev/null || return 0
    cpack --config "$BUILD/CPackConfig.cmake" -B "$F/deb" >"$F/cpack.log" 2>&1 || fail "$(cat "$F/cpack.log")"
    DEB=$(find "$F/deb" -maxdepth 1 -name '*.deb')
    export DEB
}

@test "the .deb is of the program's version, and lintian finds nothing wrong with it" {
    [[ ${DEB-} ]] || skip "needs dpkg-dev"
    command -v lintian >/dev/null || skip "needs lintian"
    same "$("$MKV" --version)-1" "mkv $(dpkg-deb -f "$DEB" Version)" version
    local known=()
    # Where the build makes no manual pages.
    if ! dpkg-deb -c "$DEB" | grep -q /man/; then
        known=(--suppress-tags no-manual-page)
    fi
    lintian --allow-root --tag-display-limit 0 --fail-on error,warning "${known[@]}" "$DEB" >"$T/said" 2>&1 ||
        fail "$(cat "$T/said")"
}

@test "the .deb has the units, the options and what they need" {
    [[ ${DEB-} ]] || skip "needs dpkg-dev"
    dpkg-deb -c "$DEB" >"$T/list"
    local path
    for path in usr/bin/mkv usr/lib/systemd/system/mkv-index.service usr/lib/systemd/system/mkv-volume@.service \
        usr/lib/sysusers.d/mkv.conf usr/lib/tmpfiles.d/mkv.conf etc/mkv/index.conf etc/mkv/volume-disk1.conf \
        usr/share/doc/mkv/copyright usr/share/doc/mkv/changelog.Debian.gz; do
        grep -q " \./$path$" "$T/list" || fail "$path is not in it"
    done
    dpkg-deb -f "$DEB" Depends | grep -q 'nginx (>= .*libuv1'
    # Each option that stands in /etc is the administrator's.
    same "$(sed -n 's|.* \./etc/|/etc/|p' "$T/list" | grep '[^/]$')" "$(dpkg-deb -I "$DEB" conffiles)" conffiles
    dpkg-deb -x "$DEB" "$T/root"
    grep -q '^ExecStart=/usr/bin/mkv index --config /etc/mkv/index.conf$' "$T/root/usr/lib/systemd/system/mkv-index.service"
    "$T/root/usr/bin/mkv" --version
}

@test "an installation by hand honours the prefix, and leaves alone what was edited" {
    cmake --install "$BUILD" --prefix "$T/opt" >/dev/null
    grep -q "^ExecStart=$T/opt/bin/mkv index --config $T/opt/etc/mkv/index.conf$" \
        "$T/opt/lib/systemd/system/mkv-index.service"
    echo '# mine' >"$T/opt/etc/mkv/index.conf"
    cmake --install "$BUILD" --prefix "$T/opt" >/dev/null
    same '# mine' "$(cat "$T/opt/etc/mkv/index.conf")"
    [[ ! -e $T/opt/share/lintian ]]
}

@test "the tarball of the source holds what git knows, and no more" {
    cpack --config "$BUILD/CPackSourceConfig.cmake" -B "$T" >/dev/null
    tar -tzf "$T"/mkv-*.tar.gz | sed -n 's|^mkv-[0-9.]*/||p' | grep '[^/]$' | sort >"$T/packed"
    grep -qx CMakeLists.txt "$T/packed"
    cd "$BATS_TEST_DIRNAME/../.."
    git -c safe.directory="$PWD" ls-files --cached --others --exclude-standard >"$T/known" 2>/dev/null ||
        skip "needs a repository to compare with"
    diff <(grep -v '^\.ci/' "$T/known" | sort) "$T/packed"
}

@test "linters find nothing wrong with the container files" {
    cd "$BATS_TEST_DIRNAME/../../templates/container"
    yamllint --strict -d '{extends: default, rules: {line-length: {max: 110}}}' compose.yaml
    # A name that compose.yaml uses and doesn't define, or the other way round.
    /usr/bin/python3 - <<'EOF'
import yaml
whole = yaml.safe_load(open("compose.yaml"))
used = {v.split(":")[0] for s in whole["services"].values() for v in s["volumes"]}
assert used == set(whole["volumes"]), used
networks = {n for s in whole["services"].values() for n in s["networks"]}
assert networks == set(whole["networks"]), networks
named = {w.split(":")[0] for w in whole["services"]["index"]["command"] if w.startswith("volume")}
assert named | {"index"} == set(whole["services"]), named
EOF
    ! command -v hadolint >/dev/null || hadolint Containerfile
}
