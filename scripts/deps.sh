#!/usr/bin/env bash
# Installs what is missing to build and run mkv; says nothing when all is there.
#
#     scripts/deps.sh           what bringup.sh needs: compiler, CMake, NGINX, libraries
#     scripts/deps.sh --test    what test.sh needs on top: cmocka, Bats, clang, linters
#
# It looks for the tools and headers themselves, so a compiler or an NGINX from elsewhere counts.
# On Debian and its kin the missing ones come from apt-get (with sudo when you are not root);
# elsewhere they are named and you install them.
set -euo pipefail

# A tool or header, and the Debian package that brings it. What is "wanted" mkv builds without: it is
# installed where apt-get can do that, and isn't missed elsewhere.
build_needs="
tool cc                     gcc
tool cmake                  cmake
tool ninja                  ninja-build
tool pkg-config             pkg-config
tool nginx                  nginx
tool curl                   curl
tool setsid                 util-linux
wanted lowdown              lowdown
header uv.h                 libuv1-dev
header gdbm.h               libgdbm-dev
header curl/curl.h          libcurl4-openssl-dev
header openssl/evp.h        libssl-dev
header jansson.h            libjansson-dev
header expat.h              libexpat1-dev
header zlib.h               zlib1g-dev
header postgresql/libpq-fe.h libpq-dev
llhttp llhttp               libllhttp-dev|node-llhttp"

test_needs="
tool git                    git
tool bats                   bats
tool clang                  clang
tool clang-format           clang-format
tool clang-tidy             clang-tidy
tool cppcheck               cppcheck
tool shellcheck             shellcheck
tool openssl                openssl
tool jq                     jq
tool promtool               prometheus
tool ps                     procps
tool man                    man-db
tool mandoc                 mandoc
tool zsh                    zsh
tool fish                   fish
tool setcap                 libcap2-bin
tool ss                     iproute2
tool ip                     iproute2
tool iptables               iptables
tool python3                python3
tool strace                 strace
tool wrk                    wrk
tool faketime               faketime
tool chromium               chromium
tool /usr/bin/aws           awscli
tool s3cmd                  s3cmd
tool rclone                 rclone
tool restic                 restic
tool docker-registry        docker-registry
tool skopeo                 skopeo
tool lintian                lintian
tool dpkg-shlibdeps         dpkg-dev
tool systemd-analyze        systemd
tool yamllint               yamllint
tool debootstrap            debootstrap
tool s3fs                   s3fs
tool barman-cloud-backup    barman-cli-cloud
server postgres             postgresql
file   /usr/lib/nginx/modules/ngx_stream_module.so libnginx-mod-stream
python boto3                python3-boto3
python venv                 python3-venv
header cmocka.h             libcmocka-dev"

usage()
{
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
}

has_header()
{
    echo "#include <$1>" | cc -E -x c - >/dev/null 2>&1
}

# llhttp is a library, or the C sources that Debian 12 ships in node-llhttp; CMake takes either.
has_llhttp()
{
    { [ -f /usr/share/llhttp/llhttp.c ] && [ -f /usr/share/include/llhttp/llhttp.h ]; } ||
        has_header llhttp.h
}

has()
{
    case $1 in
        tool) command -v "$2" >/dev/null ;;
        wanted) command -v "$2" >/dev/null || ! command -v apt-get >/dev/null ;;
        file) [ -e "$2" ] ;;
        header) has_header "$2" ;;
        llhttp) has_llhttp ;;
        server) compgen -G "/usr/lib/postgresql/*/bin/$2" >/dev/null ;;
        python) /usr/bin/python3 -c "import $2, ensurepip" 2>/dev/null ;;
    esac
}

# The lines of the table in $1 that are not met.
unmet()
{
    local kind name package

    while read -r kind name package; do
        if [ -n "$kind" ] && ! has "$kind" "$name"; then
            echo "$kind $name $package"
        fi
    done <<<"$1"
}

# libFuzzer and the sanitizers of clang are in a package of their own, named after its version.
unmet_clang_runtime()
{
    local major

    if ! compgen -G "$(clang -print-runtime-dir)/libclang_rt.fuzzer*" >/dev/null; then
        major=$(clang -dumpversion)
        echo "library libclang_rt.fuzzer libclang-rt-${major%%.*}-dev"
    fi
}

die()
{
    echo "deps.sh: $*" >&2
    exit 1
}

as_root()
{
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

apt_knows()
{
    [ -n "$(apt-cache show --no-all-versions "$1" 2>/dev/null)" ]
}

# "a|b" is a where apt knows it, else b.
resolve()
{
    if [[ $1 != *'|'* ]]; then
        echo "$1"
    elif apt_knows "${1%%|*}"; then
        echo "${1%%|*}"
    else
        echo "${1##*|}"
    fi
}

# Some of Debian's packages start a server and enable it at boot, which nobody asked for who only wants
# to build and test mkv. Their maintainer scripts respect a masked unit under systemd and a single-user
# runlevel under sysvinit; the mask goes right after, the server stays disabled.
servers=" nginx docker-registry postgresql prometheus "
held=()
hold_servers() # PACKAGE...
{
    local package

    for package in "$@"; do
        if [[ $servers == *" $package "* ]]; then
            held+=("$package")
            if [ -d /run/systemd/system ]; then
                as_root systemctl mask --quiet "$package.service"
            fi
        fi
    done
}

release_servers()
{
    local package

    for package in "${held[@]}"; do
        if [ -d /run/systemd/system ]; then
            as_root systemctl unmask --quiet "$package.service"
            as_root systemctl disable --quiet "$package.service" || true
        else
            as_root update-rc.d "$package" disable || true
        fi
    done
    held=()
}

updated=
install()
{
    local packages=() want

    if [ -z "$updated" ]; then
        as_root apt-get update -q
        updated=yes
    fi
    for want in "$@"; do
        packages+=("$(resolve "$want")")
    done
    hold_servers "${packages[@]}"
    echo "deps.sh: installing ${packages[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y -q --no-install-recommends "${packages[@]}" </dev/null
    release_servers
}

# Installs what the check "$@" says is unmet, or names it and gives up.
provide()
{
    local lines names packages p

    lines=$("$@")
    [ -n "$lines" ] || return 0
    names=$(awk '{ printf "%s%s", (NR > 1 ? ", " : ""), $2 }' <<<"$lines")
    packages=$(awk '{ print $3 }' <<<"$lines" | sort -u)
    if ! command -v apt-get >/dev/null; then
        die "missing: $names. Install them with your package manager (on Debian they are in:" \
            "${packages//$'\n'/ })."
    fi
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        die "missing: $names. There is no sudo here; as root run:" \
            "apt-get install $(for p in $packages; do resolve "$p"; done | tr '\n' ' ')"
    fi
    # shellcheck disable=SC2086 # one word a package
    install $packages
    hash -r
    lines=$("$@")
    [ -z "$lines" ] || die "still missing after the installation: $(awk '{ print $2 }' <<<"$lines")"
}

# The S3 clients that Debian lacks or has in an old version, in a Python environment of their own, which
# is made anew when their list changes.
provide_s3_clients()
{
    local venv=${MKV_S3_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/mkv/s3-clients}
    local list

    list=$(dirname "$0")/../tests/support/s3_clients.txt
    if cmp -s "$list" "$venv/installed"; then
        return
    fi
    echo "deps.sh: installing S3 clients for Python in $venv"
    /usr/bin/python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --requirement "$list"
    cp "$list" "$venv/installed"
}

check_cmake()
{
    local version

    version=$(cmake --version | awk 'NR == 1 { print $3 }')
    if [ "$(printf '3.25\n%s\n' "$version" | sort -V | head -n 1)" != 3.25 ]; then
        die "CMake is $version, but 3.25 or newer is needed."
    fi
}

main()
{
    # nginx is in sbin, which Debian leaves out of an ordinary user's PATH.
    PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
    trap release_servers EXIT
    case ${1-} in
        '' | --test) ;;
        -h | --help) usage && exit 0 ;;
        *) die "unknown option $1 (try --help)" ;;
    esac
    if [ "${1-}" = --test ]; then
        provide unmet "$build_needs$test_needs"
        provide unmet_clang_runtime
        provide_s3_clients
    else
        provide unmet "$build_needs"
    fi
    check_cmake
}

main "$@"
