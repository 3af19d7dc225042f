#!/usr/bin/env bats
# The units for systemd, which doesn't run here: it checks them itself, and mkv runs under the limits
# that they set, as tests/support/as_unit.py sets them.

load ../support/lib

before_all() {
    BUILD=$(dirname "$MKV")
    export BUILD
    DESTDIR=$F/root cmake --install "$BUILD" --prefix /usr >"$F/install.log"
    UNITS=$F/root/usr/lib/systemd/system
    export UNITS
}

@test "systemd finds nothing wrong with the units, and takes them for locked in" {
    command -v systemd-analyze >/dev/null || skip "needs systemd-analyze"
    # Where the program is no file of this system, systemd would say just that.
    sed -i "s|=/usr/bin/mkv|=$MKV|" "$UNITS"/*
    cp "$UNITS/mkv-volume@.service" "$T/mkv-volume@disk1.service"
    cp "$UNITS/mkv-index.service" "$T"
    systemd-analyze verify --man=no "$T/mkv-volume@disk1.service" "$T/mkv-index.service" >"$T/said" 2>&1
    cat "$T/said"
    [[ ! -s $T/said ]]
    local unit
    for unit in "$T"/*.service; do
        systemd-analyze security --no-pager --offline=true --threshold=25 "$unit" >"$T/said" ||
            fail "$(cat "$T/said")"
    done
}

@test "the options that are installed are taken as they are" {
    local etc=$F/root/etc/mkv
    sed -i "s|/var/lib/mkv|$T|" "$etc"/*
    "$MKV" volume --config "$etc/volume-disk1.conf" --print-config | grep -q 'server_tokens off'
    "$MKV" index --config "$etc/index.conf" --print-config | grep -q 'server_tokens off'
    # So is every option in a comment, when it isn't one any more.
    sed -i '/^#[a-z]/s/^#//' "$etc/"*
    touch "$T/volumes"
    sed -i "s|/etc/mkv/volumes|$T/volumes|" "$etc/index.conf"
    mkdir "$T/credentials"
    "$MKV" secret "$T/credentials/mkv.secret"
    printf 'AKone aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa rw:*\n' >"$T/credentials/mkv.keys"
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout "$T/credentials/mkv.tls-key" \
        -out "$T/credentials/mkv.tls-cert" 2>/dev/null
    cp "$T/credentials/mkv.tls-cert" "$T/credentials/mkv.ca"
    cp "$T/credentials/mkv.tls-cert" "$T/credentials/mkv.client-ca"
    chmod 600 "$T/credentials"/*
    export CREDENTIALS_DIRECTORY=$T/credentials
    "$MKV" volume --config "$etc/volume-disk1.conf" --print-config | grep -q ssl_certificate
    "$MKV" index --config "$etc/index.conf" --print-config | grep -q ssl_certificate
}

# unit NAME UNIT SUBCOMMAND...: starts mkv under the limits of UNIT.
unit() {
    local name=$1 unit=$2
    shift 2
    AS_UNIT_UID=$(id -u www-data) AS_UNIT_GID=$(id -g www-data) TMPDIR=$RUN/tmp \
        hatch "$name" "${BATS_TEST_DIRNAME}/../support/as_unit.py" "$UNITS/$unit" "$RUN" -- "$MKV" "$@"
}

@test "a cluster works under the limits that the units set" {
    need_root
    [[ ! $ASAN ]] || skip "sanitizers need calls that a service doesn't"
    /usr/bin/python3 -c 'import ctypes; ctypes.CDLL("libseccomp.so.2")' || skip "needs libseccomp"
    mkdir "$RUN/data/"{a,b,i}
    chown www-data: "$RUN/data" "$RUN/data"/*
    unit a mkv-volume@.service volume "$(at a)" "$RUN/data/a"
    unit b mkv-volume@.service volume "$(at b)" "$RUN/data/b"
    await_ready a
    await_ready b
    unit i mkv-index.service index "$(at a)" "$(at b)" --port "$(at i)" --index "$RUN/data/i" --replicas 2
    await_ready i
    within 10 sees i a up
    within 10 sees i b up
    head -c 3000000 /dev/urandom >"$T/value"
    curl -fsS -T "$T/value" "$(url i)/large"
    curl -fsSL "$(url i)/large" | cmp - "$T/value"
    put "$(url i)/small" value
    got "$(url i)/small" value
    http DELETE "$(url i)/small"
    "$MKV" verify --index "$RUN/data/i" | grep -q 'all is well'
    local name
    for name in a b i; do
        signal "$name" HUP
        within 10 logged "$name" 'takes its new config'
    done
    healthy a

    # What they don't let it: the limits are there.
    for name in a b i; do
        grep -q '^Seccomp:.*2' "/proc/$(pid_of "$name")/status"
        grep -q '^CapBnd:.*0000000000000000' "/proc/$(pid_of "$name")/status"
        refute grep -q 'signal 31' "$(log_of "$name")"
    done
    refute nsenter --mount="/proc/$(pid_of a)/ns/mnt" touch /usr/mkv-was-here
}
