#!/usr/bin/env bats
# The alert rules and the dashboard, with a Prometheus that watches a cluster.

load ../support/lib
load ../support/tls

RULES=$BATS_TEST_DIRNAME/../../templates/monitoring/mkv-alerts.yml
DASHBOARD=$BATS_TEST_DIRNAME/../../templates/monitoring/mkv-grafana.json

# Prints the names of the families that the admin port of NAME has.
families() { # NAME
    curl -q -sS --noproxy '*' -m 10 "http://127.0.0.1:$(port "$1")/metrics" | sed -nE 's/^# TYPE ([a-z_]+) .*/\1/p'
}

# Prints the names of the metrics in what comes in, as their families have them.
named() {
    grep -Eo '\b(mkv|process)_[a-z_]+\b' | sed -E 's/_(bucket|count|sum)$//' | sort -u
}

prometheus_start() {
    cat >"$T/prometheus.yml" <<EOF
global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}
rule_files: ["$RULES"]
scrape_configs:
  - job_name: mkv-index
    static_configs: [{targets: ["127.0.0.1:$(port a)"]}]
  - job_name: mkv-volume
    static_configs: [{targets: ["127.0.0.1:$(port b)"]}]
EOF
    hatch prometheus prometheus --config.file="$T/prometheus.yml" --storage.tsdb.path="$T/tsdb" \
        --web.listen-address="$(at p)" --log.level=warn
    within 20 listening "$(port p)"
}

# Asks Prometheus; the answer's labels are in $T/body.
query() { # EXPRESSION
    want 200 GET "$(url p)/api/v1/query" -G --data-urlencode "query=$1"
}

# Whether the expression gives exactly the series of which jq says so.
gives() { # EXPRESSION JQ-FILTER WANTED
    query "$1"
    [[ $(jq -rc "[.data.result[] | $2] | sort | join(\" \")" "$T/body") == "$3" ]]
}

# Prints the expression of an alert, as Prometheus has read it.
expression_of() { # ALERT
    want 200 GET "$(url p)/api/v1/rules"
    jq -er ".data.groups[].rules[] | select(.name == \"$1\") | .query" "$T/body"
}

@test "the rules are right, and give the alerts that they must" {
    command -v promtool >/dev/null || skip 'needs promtool'
    promtool check rules "$RULES"
    promtool test rules "$BATS_TEST_DIRNAME/../support/alerts.test.yml"
}

@test "each metric that a rule or the dashboard names is there" {
    tls_begin
    tls_volume v good --admin "$(port b)"
    tls_index i v --admin "$(port a)"
    { families a && families b; } | sort -u >"$T/there"
    (($(wc -l <"$T/there") > 40))
    jq -er '.. | .expr? // empty' "$DASHBOARD" >"$T/expressions"
    (($(wc -l <"$T/expressions") > 25))
    { cat "$T/expressions" && grep -v '^ *#' "$RULES"; } | named >"$T/named"
    (($(wc -l <"$T/named") > 25))
    same '' "$(comm -13 "$T/there" "$T/named")" 'metrics that are named and not there'
    # No panel stands on another one.
    same '' "$(jq -r '.panels[] | .gridPos | "\(.x),\(.y)"' "$DASHBOARD" | sort | uniq -d)"
}

@test "Prometheus sees a cluster, and a volume that is killed" {
    command -v prometheus >/dev/null || skip 'needs prometheus'
    volume v1
    volume v2 --admin "$(port b)"
    index i 'v1 v2' --admin "$(port a)" --replicas 2
    local down gone bad
    prometheus_start
    within 10 gives up '"\(.metric.job) \(.value[1])"' 'mkv-index 1 mkv-volume 1'
    put "$(url i)/key" value
    within 10 gives 'mkv_requests_total{operation="put"}' '"\(.metric.code) \(.value[1])"' '201 1'
    down=$(expression_of MkvVolumeDown)
    gone=$(expression_of MkvDown)
    bad=$(jq -r '[.data.groups[].rules[] | select(.health != "ok" or .lastError != null) | .name] | join(" ")' "$T/body")
    same '' "$bad" 'rules that fail'
    gives "$down" .metric.volume ''
    gives "$gone" .metric.job ''
    crash v2
    within 10 gives "$down" .metric.volume "$(at v2)"
    within 10 gives "$gone" .metric.job mkv-volume
    volume v2 --admin "$(port b)"
    within 10 gives "$down" .metric.volume ''
    stop prometheus
}
