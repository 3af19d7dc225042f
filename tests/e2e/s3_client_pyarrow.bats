#!/usr/bin/env bats
# pyarrow, from PyPI: data sets of Parquet files, with a key, and as anybody where that is granted.

load ../support/lib
load ../support/s3
load ../support/s3_clients

before_all() {
    s3_cluster_with_keys 'v1 v2 v3' $'AKCLIENT secret-of-client rwc:*\n- - rw:open' --replicas 2
}

before_each() {
    clients_home
}

@test "a data set is written, listed, read, changed and removed" {
    pypi_python s3_pyarrow.py "$(at i-s3)" data
    as_admin s3_want 404 HEAD /data
}

@test "the same without a key" {
    as_admin s3_want 200 PUT /open
    as_admin s3_want 200 PUT /closed
    pypi_python s3_pyarrow.py "$(at i-s3)" open anonymous
    refute pypi_python s3_pyarrow.py "$(at i-s3)" closed anonymous 2>"$T/out"
    grep -q 'ACCESS_DENIED\|AccessDenied' "$T/out"
    verified
}
