#!/usr/bin/env python3
"""What applications do by boto3, with keys: s3_boto3.py ENDPOINT JOB BUCKET. Fails where S3 would answer otherwise."""

import hashlib
import os
import sys
import threading
import urllib.request

import boto3
from botocore.exceptions import ClientError


def client(endpoint):
    return boto3.client("s3", endpoint_url=endpoint)


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        got = error.response["Error"]["Code"]
        assert got == code, f"wanted {code}, got {got}"
        return
    raise AssertionError(f"wanted {code}, and it succeeded")


def job_objects(s3, bucket):
    """Values of many sizes and odd keys, with their metadata, ranges, pages and batch deletes."""
    values = {f"k/{n} +ü%41/": os.urandom(n) for n in (0, 1, 1000, 16384, 65537, 3_000_000)}
    for key, value in values.items():
        answer = s3.put_object(Bucket=bucket, Key=key, Body=value, ContentType="a/b", Metadata={"n": str(len(value))})
        assert answer["ETag"] == f'"{hashlib.md5(value).hexdigest()}"', answer
    for key, value in values.items():
        answer = s3.get_object(Bucket=bucket, Key=key)
        assert answer["Body"].read() == value, key
        assert answer["ContentType"] == "a/b" and answer["Metadata"] == {"n": str(len(value))}, answer
        assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == len(value)
        link = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=60)
        with urllib.request.urlopen(link) as got:
            assert got.read() == value, link
    key = "k/65537 +ü%41/"
    assert s3.get_object(Bucket=bucket, Key=key, Range="bytes=-100")["Body"].read() == values[key][-100:]
    refused("InvalidRange", s3.get_object, Bucket=bucket, Key=key, Range="bytes=70000-")
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="none")

    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="k/", PaginationConfig={"PageSize": 2})
    listed = {entry["Key"]: entry["Size"] for page in pages for entry in page["Contents"]}
    assert listed == {key: len(value) for key, value in values.items()}, listed
    batch = {"Objects": [{"Key": key} for key in values]}
    assert len(s3.delete_objects(Bucket=bucket, Delete=batch)["Deleted"]) == len(values)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def job_lock(s3, bucket):
    """A lock as Terraform and Litestream hold it: 8 try for it at once, and whoever has it changes the state."""
    counter = {"Bucket": bucket, "Key": "state"}
    s3.put_object(**counter, Body=b"0")
    failures = []

    def work(number):
        own = client(s3.meta.endpoint_url)
        try:
            for _ in range(5):
                lock(own, bucket, str(number).encode())
                state = int(own.get_object(**counter)["Body"].read())
                own.put_object(**counter, Body=str(state + 1).encode())
                unlock(own, bucket, str(number).encode())
        except Exception as error:  # pylint: disable=broad-except
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert s3.get_object(**counter)["Body"].read() == b"40"


def lock(s3, bucket, owner):
    for _ in range(2000):
        try:
            s3.put_object(Bucket=bucket, Key="lock", Body=owner, IfNoneMatch="*")
            return
        except ClientError as error:
            code = error.response["Error"]["Code"]
            assert code in ("PreconditionFailed", "ConditionalRequestConflict"), code
    raise AssertionError("the lock is never free")


def unlock(s3, bucket, owner):
    held = s3.get_object(Bucket=bucket, Key="lock")
    assert held["Body"].read() == owner, "the lock is someone else's"
    refused("PreconditionFailed", s3.delete_object, Bucket=bucket, Key="lock", IfMatch='"0"')
    s3.delete_object(Bucket=bucket, Key="lock", IfMatch=held["ETag"])


def main():
    endpoint, job, bucket = sys.argv[1:]
    s3 = client(endpoint)
    s3.create_bucket(Bucket=bucket)
    {"objects": job_objects, "lock": job_lock}[job](s3, bucket)


main()
