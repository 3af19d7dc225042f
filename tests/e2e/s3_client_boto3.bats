#!/usr/bin/env bats
# boto3, as Debian has it and as PyPI has it, which adds checksums of its own.

load ../support/lib
load ../support/s3
load ../support/s3_clients

before_all() {
    clients_cluster
}

before_each() {
    clients_home
}

@test "Debian's boto3: objects" {
    debian_python s3_boto3.py "$ENDPOINT" objects debian
    verified
}

@test "PyPI's boto3: objects" {
    pypi_python s3_boto3.py "$ENDPOINT" objects pypi
    verified
}

@test "Debian's boto3: a file in parts" {
    debian_python s3_boto3.py "$ENDPOINT" transfer debian-parts
    verified
}

@test "PyPI's boto3: a file in parts" {
    pypi_python s3_boto3.py "$ENDPOINT" transfer pypi-parts
    verified
}

@test "PyPI's boto3: a lock that eight clients share" {
    pypi_python s3_boto3.py "$ENDPOINT" lock lock
}
