#!/usr/bin/env bats
# The status page, in a real browser; one of them for all tests. With MKV_E2E_SHOTS=DIR its pictures
# stay there, to be looked at.

load ../support/lib

before_all() {
    command -v chromium >/dev/null || skip "needs chromium"
    local sandbox=()
    ((UID != 0)) || sandbox=(--no-sandbox)
    mkdir "$F/profile"
    hatch browser python3 "$BATS_TEST_DIRNAME/../support/browser.py" "$F/b" "$F/profile" chromium "${sandbox[@]}"
    cluster i 'v1 v2' --replicas 2 --admin "$(port a)"
    within 30 logged browser 'the browser is ready'
}

browser() { # COMMAND [BODY]: the answer goes to $T/browser
    local code
    code=$(curl -q -sS -m 60 --unix-socket "$F/b" -o "$T/browser" -w '%{http_code}' \
        --data-binary "${2-}" "http://browser/$1")
    [[ $code == 200 ]] || fail "browser $1: $(cat "$T/browser")"
}

opened() { # [QUERY [PATH]]: loads the page, with what browser.py knows of windows
    browser "open?${1-}" "$(url a)/${2-}"
}

# The value of an expression in the page.
value() { # EXPRESSION
    browser eval "$1"
    cat "$T/browser"
}

shows() { # REGEX, in the text of the page
    [[ $(value 'document.body.innerText') =~ $1 ]]
}

is_true() { # EXPRESSION
    [[ $(value "!!($1)") == true ]]
}

no_complaints() {
    browser complaints
    same '' "$(cat "$T/browser")" 'what the browser complains of'
}

picture() { # NAME
    local dir=${MKV_E2E_SHOTS:-$T}
    [[ $1 == phone-* || -n ${MKV_E2E_SHOTS-} ]] || return 0
    browser shot "$dir/$1.png"
    same PNG "$(head -c 4 "$dir/$1.png" | tail -c 3)"
}

# Starts the job that takes long, and waits until it is on its way.
slow_job() {
    local n
    head -c 200000 /dev/zero >"$T/value"
    for n in {1..10}; do
        want 201 PUT "$(url i)/slow-$n" --data-binary @"$T/value"
    done
    "$MKV" verify --deep --rate 300K --jobs 1 --detach --index "$F/data/i" >"$T/job"
    within 10 is_true "document.querySelector('progress')"
}

@test "the page loads, is live, and the browser has nothing to complain of" {
    opened
    within 5 shows 'Live'
    shows 'All is well'
    shows "$(at v1)"
    same 'All is well · mkv' "$(value document.title)"
    put "$(url i)/a" one
    within 3 is_true "[...document.querySelectorAll('dt')].find(e => e.textContent == 'Keys').nextSibling.textContent == '1'"
    is_true "document.querySelectorAll('h1').length == 1 && [...document.querySelectorAll('table')].every(t => t.querySelector('th[scope]'))"
    is_true "performance.getEntriesByType('resource').every(e => new URL(e.name).origin == location.origin)"
    no_complaints
    # What isn't the page's own script is refused.
    value "document.body.insertAdjacentHTML('beforeend', '<img src=\"/status\" onerror=\"window.bad = 1\">'),
        document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.bad = 1'}))" >/dev/null
    is_true 'window.bad === undefined'
    browser complaints
    grep -q 'Content Security Policy' "$T/browser"
}

@test "it shows a volume that was killed within 2 s of the index, and that it is back" {
    cluster j 'w1 w2' --admin "$(port b)"
    browser 'open?dark=1' "$(url b)/"
    within 5 shows 'All is well'
    crash w2
    within 10 sees j w2 down
    local begun
    begun=$(now_ms)
    within 10 shows "Volume $(at w2) is down: it can't be reached"
    (($(now_ms) - begun < 2000 * SLOW)) || fail "it took $(($(now_ms) - begun)) ms"
    shows '1 thing needs attention'
    shows 'down for [0-9]+ s'
    same '1 thing needs attention · mkv' "$(value document.title)"
    same '' "$(value "$(cat "$BATS_TEST_DIRNAME/../support/contrast.js")")" 'text that is hard to read'
    picture dark
    volume w2
    within 10 shows 'All is well'
    no_complaints
}

@test "a job's bar moves, and what was opened and focused stays so" {
    opened
    within 5 shows 'Live'
    slow_job
    value "document.querySelector('footer a').focus()" >/dev/null
    local was
    was=$(value "document.querySelector('progress').value")
    within 10 is_true "document.querySelector('progress').value > $was"
    is_true "document.activeElement.matches('footer a')"
    shows 'verify'
    browser eval "fetch('/status').then(a => a.json()).then(s => s.jobs.find(j => j.state == 'running').job)"
    want 405 DELETE "$(url a)/jobs/$(cat "$T/browser")"
    curl -q -sS -X DELETE --unix-socket "$F/data/i/admin.sock" "http://i/jobs/$(cat "$T/browser")" >/dev/null
    within 5 shows 'None is running'
    value "document.querySelector('details').open = true" >/dev/null
    within 5 shows 'canceled [0-9]+ s ago'
    was=$(value "document.querySelector('dd').textContent")
    put "$(url i)/b" two
    within 5 is_true "document.querySelector('dd').textContent != '$was'"
    is_true "document.querySelector('details').open"
}

@test "without JavaScript the numbers are there" {
    opened 'script=0'
    picture plain
    http GET "$(url a)/"
    for words in 'All is well' "$(at v1)" '<noscript>' 'Volumes up' '<h2 id="requests">'; do
        grep -qF "$words" "$T/body" || fail "there is no $words"
    done
}

@test "it fits a phone, in either colour, and moves nothing for those who want it still" {
    local dark
    for dark in 0 1; do
        opened "width=360&height=740&still=1&dark=$dark"
        within 5 shows 'Live'
        is_true 'document.documentElement.scrollWidth <= 360'
        is_true "$dark == (getComputedStyle(document.body).backgroundColor == 'rgb(19, 21, 24)')"
        same '' "$(value "$(cat "$BATS_TEST_DIRNAME/../support/contrast.js")")" 'text that is hard to read'
        picture "phone-$dark"
    done
    is_true "matchMedia('(prefers-reduced-motion: reduce)').matches"
}

@test "it says since when the index can't be reached, and goes on when it is back" {
    volume w
    index j w --admin "$(port b)"
    browser open "$(url b)/"
    within 5 shows 'Live'
    stop j
    within 10 shows 'The index can.*t be reached since [0-9]'
    index j w --admin "$(port b)"
    within 10 shows 'Live'
    refute shows 'reached since'
}

@test "a page is told by its tag, is packed, and only what is one is asked for" {
    local target
    http GET "$(url a)/?zone=none"
    same 200 "$STATUS"
    grep -q 'There is no zone <bdi>none</bdi>' "$T/body"
    grep -q "^Content-Security-Policy: default-src 'none'; script-src 'sha256-" "$T/head"
    same no-cache "$(header Cache-Control)"
    http GET "$(url a)/" --head
    same 200 "$STATUS"
    for target in '?x' '?from=x' '?zone=%zz' '?main=1'; do
        want 400 GET "$(url a)/$target"
    done
    want 405 POST "$(url a)/"
    want 404 GET "$(url a)/page"
    http GET "$(url a)/" -H 'Accept-Encoding: gzip'
    same gzip "$(header Content-Encoding)"
    gunzip <"$T/body" | grep -q '</html>'
}

@test "1,000 volumes are a page of 50 KiB within 100 ms" {
    local n size took
    for n in {0..999}; do
        echo "127.0.0.1:$((1 + n)) zone=rack$((n / 10))"
    done >"$T/volumes"
    mkv_start j index --volumes-file "$T/volumes" --port "$(at j)" --index "$T/data/j" --admin "$(port b)" \
        --verify-every 0
    await_ready j
    browser open "$(url b)/"
    within 5 shows 'to 40 of 100 zones'
    browser eval "fetch('/?main').then(a => a.text()).then(t => t.length)"
    (($(cat "$T/browser") < 50 * 1024))
    read -r size took < <(curl -q -sS --compressed -o /dev/null -w '%{size_download} %{time_total}\n' "$(url b)/")
    ((size < 20 * 1024)) || fail "$size bytes"
    [[ $took == 0.0* || -n $ASAN ]] || fail "it took $took s"
    picture many
    browser open "$(url b)/?zone=rack7"
    within 5 shows 'all zones'
    same 10 "$(value "document.querySelectorAll('.volumes tr').length - 2")"
}
