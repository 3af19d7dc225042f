#!/usr/bin/env python3
"""What applications do by boto3, with keys: s3_boto3.py ENDPOINT JOB BUCKET. Fails where S3 would answer otherwise."""

import hashlib
import os
import sys
import tempfile
import threading
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

PART = 5 << 20


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


def put_by_link(s3, bucket, key, parameters):
    """PUTs as the JavaScript SDK presigns: what would be headers is in the query."""
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": key}).partition("?")[0]
    request = AWSRequest("PUT", url, params=parameters)
    S3SigV4QueryAuth(s3._request_signer._credentials, "s3", "us-east-1", expires=60).add_auth(request)
    with urllib.request.urlopen(urllib.request.Request(request.url, data=b"by a link", method="PUT")) as put:
        assert put.status == 200, put


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
    put_by_link(s3, bucket, "a link ü", {"x-amz-meta-n": "a b/c", "x-amz-acl": "private"})
    answer = s3.get_object(Bucket=bucket, Key="a link ü")
    s3.delete_object(Bucket=bucket, Key="a link ü")
    assert answer["Body"].read() == b"by a link" and answer["Metadata"] == {"n": "a b/c"}, answer

    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="k/", PaginationConfig={"PageSize": 2})
    listed = {entry["Key"]: entry["Size"] for page in pages for entry in page["Contents"]}
    assert listed == {key: len(value) for key, value in values.items()}, listed
    batch = {"Objects": [{"Key": key} for key in values]}
    assert len(s3.delete_objects(Bucket=bucket, Delete=batch)["Deleted"]) == len(values)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def job_transfer(s3, bucket):
    """A file in parts, by several threads: there, copied in parts, back again; a part by its number; an upload given up."""
    config = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)
    value = os.urandom(4 * PART - 4711)
    with tempfile.TemporaryDirectory() as directory:
        there, back = os.path.join(directory, "there"), os.path.join(directory, "back")
        with open(there, "wb") as file:
            file.write(value)
        s3.upload_file(there, bucket, "file", Config=config, ExtraArgs={"ContentType": "a/b", "Metadata": {"n": "1"}})
        s3.copy({"Bucket": bucket, "Key": "file"}, bucket, "copy", Config=config)
        s3.download_file(bucket, "copy", back, Config=config)
        with open(back, "rb") as file:
            assert file.read() == value
    parts = [value[at : at + PART] for at in range(0, len(value), PART)]
    etag = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
    for key in "file", "copy":
        head = s3.head_object(Bucket=bucket, Key=key)
        assert head["ETag"] == f'"{etag}-4"' and head["ContentLength"] == len(value), head
    # (An older boto3 leaves metadata behind when it copies in parts.)
    head = s3.head_object(Bucket=bucket, Key="file")
    assert head["ContentType"] == "a/b" and head["Metadata"] == {"n": "1"}, head
    last = s3.get_object(Bucket=bucket, Key="file", PartNumber=4)
    assert last["Body"].read() == parts[3] and last["PartsCount"] == 4, last

    upload = {"Bucket": bucket, "Key": "given up", "UploadId": s3.create_multipart_upload(Bucket=bucket, Key="given up")["UploadId"]}
    s3.upload_part(**upload, PartNumber=1, Body=parts[0])
    assert [part["Size"] for part in s3.list_parts(**upload)["Parts"]] == [PART]
    refused("InvalidPart", s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    s3.abort_multipart_upload(**upload)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="given up")


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
    {"objects": job_objects, "transfer": job_transfer, "lock": job_lock}[job](s3, bucket)


main()
