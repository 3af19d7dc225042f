#!/usr/bin/env bash
# Everything a change has to pass, from a fresh clone on.
#
#     scripts/test.sh            dependencies, lint, then every test: on the release build, fuzzing
#                                with libFuzzer, and once more under AddressSanitizer and UBSan
#     scripts/test.sh --quick    the unit tests on the release build
#     scripts/test.sh --long     as without, but with tests of many keys and rounds at full length,
#                                every test on both builds, and a minute for each fuzz target
#
# A failing step doesn't stop the ones after it, but for the dependencies: one run names all that is
# wrong, says at its end what each failed test said, and what was skipped. CTest runs twice as many tests at once as there are processors, since
# most of them wait most of the time; CTEST_PARALLEL_LEVEL=N changes that.
set -euo pipefail
self=$(realpath "${BASH_SOURCE[0]}")
cd "$(dirname "$self")/.."

failed=()
said=() # what each failed test said, to be said again at the end
export CTEST_PARALLEL_LEVEL=${CTEST_PARALLEL_LEVEL:-$((2 * $(nproc)))}

# Leaks count, and the first finding ends the process, so that a test sees its exit code.
export ASAN_OPTIONS=halt_on_error=1:abort_on_error=0:exitcode=99:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export LSAN_OPTIONS=exitcode=99:print_suppressions=0

help()
{
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$self"
}

# step TITLE COMMAND...: runs COMMAND under a header and remembers whether it failed.
step()
{
    local title=$1 start=$SECONDS

    shift
    printf '\n=== %s\n' "$title"
    if "$@" </dev/null; then
        printf '=== %s: ok, %d s\n' "$title" $((SECONDS - start))
    else
        printf '=== %s: FAILED, %d s\n' "$title" $((SECONDS - start))
        failed+=("$title")
    fi
}

build()
{
    cmake --preset "$1" ${MKV_FUZZ_SECONDS:+-D "MKV_FUZZ_SECONDS=$MKV_FUZZ_SECONDS"} >/dev/null &&
        cmake --build --preset "$1"
}

# Of each test of CTest's log that failed: of Bats what failed, else its last lines.
what_failed()
{
    awk '
        function said(   i) {
            if (!failed)
                return
            print "--- " name
            for (i = 1; i <= n; i++)
                if (n_bad == 0 ? i > n - 30 : bad[i])
                    print line[i]
        }
        /^[0-9]+\/[0-9]+ Testing: / { name = $3; n = n_bad = failed = left = 0; delete bad; next }
        /^Test Passed\.$/ { n = 0; next }
        /^Test Failed\.$|^Test timed out|^Test Timeout/ { failed = 1; said(); n = 0; next }
        /^ok [0-9]/ { left = 0 }
        /^not ok [0-9]/ { left = 40 }
        { line[++n] = $0; if (left > 0) { left--; bad[n] = 1; n_bad++ } }' "$1"
}

# run_tests PRESET [CTEST OPTION...]: a run that finds no tests has failed.
run_tests()
{
    local preset=$1 status=0 log=build/$1/Testing/Temporary/LastTest.log

    shift
    ctest --preset "$preset" --no-tests=error "$@" || status=$?
    if [ $status != 0 ]; then
        said+=("$(what_failed "$log")")
    fi
    # Bats marks what can't run here; CTest doesn't show that of tests that pass.
    sed -n 's/^ok [0-9]* \(.*\) # skip */skipped: \1: /p' "$log"
    return $status
}

finish()
{
    if [ ${#failed[@]} -gt 0 ]; then
        printf '%s\n' "" ${said[@]+"${said[@]}"}
        printf '\nFAILED: %s\n' "${failed[@]}"
        exit 1
    fi
}

dependencies()
{
    step "dependencies" scripts/deps.sh --test
    finish
}

has_fuzzers()
{
    compgen -G 'tests/fuzz/*.c' >/dev/null
}

everything()
{
    local sanitized=(-L 'unit|e2e') release=()

    if [ -z "${MKV_TEST_LONG-}" ]; then
        sanitized+=(-LE long)
        release+=(-LE 'sanitized|patient')
    fi
    dependencies
    step "lint" scripts/lint.sh
    step "build: asan" build asan
    step "build: release" build release
    if has_fuzzers; then
        step "build: fuzz" build fuzz
        step "test: libFuzzer" run_tests fuzz -L fuzz
    fi
    step "test: ASan and UBSan" run_tests asan "${sanitized[@]}"
    # Last, so that what CTest says about the build that users run is what a reader sees first.
    step "test: release" run_tests release ${release[@]+"${release[@]}"}
}

case ${1-} in
    '') everything ;;
    --long)
        export MKV_TEST_LONG=1 MKV_FUZZ_SECONDS=60
        everything
        ;;
    --quick)
        dependencies
        step "build: release" build release
        step "test: release, unit" run_tests release -L unit
        ;;
    -h | --help) help && exit 0 ;;
    *)
        echo "test.sh: unknown option $1; --help lists them" >&2
        exit 2
        ;;
esac

finish
