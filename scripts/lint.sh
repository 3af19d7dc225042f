#!/usr/bin/env bash
# Checks every file of ours: clang-format, clang-tidy, cppcheck, shellcheck.
#
#     scripts/lint.sh           one line a tool, its findings above it; non-zero if any found something
#     scripts/lint.sh --fix     applies clang-format first
#
# Our files are those git knows, and those it would let you add. A tool that is given no files has
# failed: a check that looks at nothing must not be green.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

jobs=$(nproc)
failed=0

# Fills the array named $1 with our files that match the patterns after it.
find_files()
{
    local -n found=$1
    local file

    shift
    found=()
    while IFS= read -r -d '' file; do
        if [ -f "$file" ]; then
            found+=("$file")
        fi
    done < <(git -c safe.directory="$PWD" ls-files -z --cached --others --exclude-standard \
        --deduplicate -- "$@")
}

# check NAME COUNT COMMAND...: runs COMMAND over COUNT files and sums up in one line.
check()
{
    local name=$1 count=$2 start=$SECONDS output

    shift 2
    if [ "$count" = 0 ]; then
        echo "FAIL  $name: found no files to check"
        failed=1
    elif output=$("$@" 2>&1); then
        echo "ok    $name: $count files, $((SECONDS - start)) s"
    else
        printf '%s\n' "$output"
        echo "FAIL  $name: $count files, $((SECONDS - start)) s"
        failed=1
    fi
}

# One process a file: two in one make clang-tidy 14 forget a va_start (its bug 41311). The analyzer
# takes ten times as long as all other checks: what is under tests/ runs with sanitizers instead, and
# of each function it looks at no more than 75,000 states, a third of what it would, which takes a
# third of the time (MKV_TEST_LONG has it look at all).
run_clang_tidy()
{
    local file states=()

    if [ -z "${MKV_TEST_LONG-}" ]; then
        states=(-Xclang -analyzer-config -Xclang max-nodes=75000)
        states=("${states[@]/#/--extra-arg=}")
    fi
    cmake --preset dev >/dev/null || return 1
    for file in "$@"; do
        if [[ $file == tests/* ]]; then
            printf '%s\0%s\0' '--checks=-clang-analyzer-*' "$file"
        else
            printf '%s\0%s\0' '--checks=' "$file"
        fi
    done | xargs -0 -n 2 -P "$jobs" clang-tidy -p build/dev --quiet "${states[@]}" 2>&1 |
        sed '/^[0-9]* warnings\{0,1\} generated\.$/d'
}

# uninitvar is left to gcc and clang's analyzer: cppcheck can't see that LIST_FOREACH sets its variable.
run_cppcheck()
{
    cppcheck -j "$jobs" --quiet --error-exitcode=1 --inline-suppr --std=c11 --language=c -I . \
        --enable=warning,performance,portability --template=gcc -D_GNU_SOURCE \
        --suppress=missingIncludeSystem --suppress=uninitvar "$@"
}

# In Bats files every test is a function that "nobody calls", in a subshell, with variables that go
# to and come from a library: notes on that are noise, and so is SC2034 (a variable unused here).
run_shellcheck_bats()
{
    shellcheck -x --severity=warning --exclude=SC2034 "$@"
}

main()
{
    local c_files sources scripts tests

    find_files c_files '*.c' '*.h'
    find_files sources '*.c'
    find_files scripts '*.sh' .ci/run 'templates/debian/p*'
    find_files tests '*.bats' '*.bash'
    case ${1-} in
        '') ;;
        --fix) clang-format -i "${c_files[@]}" ;;
        *)
            echo "usage: scripts/lint.sh [--fix]" >&2
            exit 2
            ;;
    esac
    check clang-format ${#c_files[@]} clang-format --dry-run --Werror "${c_files[@]}"
    check clang-tidy ${#sources[@]} run_clang_tidy "${sources[@]}"
    check cppcheck ${#sources[@]} run_cppcheck "${sources[@]}"
    check shellcheck ${#scripts[@]} shellcheck -x "${scripts[@]}"
    check "shellcheck (Bats)" ${#tests[@]} run_shellcheck_bats "${tests[@]}"
    return "$failed"
}

main "$@"
