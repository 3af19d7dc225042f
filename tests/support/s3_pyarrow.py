#!/usr/bin/env python3
"""A data set of Parquet files by pyarrow's own S3 client: s3_pyarrow.py HOST:PORT BUCKET [anonymous]. Fails unless what it
reads is what it wrote. (minikeyvalue has its subset of S3 for this.)"""

import sys

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

ROWS = 300_000
COLUMNS = {
    "id": pa.array(range(ROWS), pa.int64()),
    "text": [f"row {n * 7919 % ROWS}" for n in range(ROWS)],
    "year": pa.array([2020 + n % 3 for n in range(ROWS)], pa.int32()),
}


def write(s3, table, base):
    """Writes a file for each year and group of rows."""
    years = ds.partitioning(pa.schema([("year", pa.int32())]), flavor="hive")
    size = {"max_rows_per_file": 50_000, "max_rows_per_group": 50_000}
    ds.write_dataset(table, base, filesystem=s3, format="parquet", partitioning=years, **size)


def files(s3, base):
    found = s3.get_file_info(fs.FileSelector(base, recursive=True))
    return {info.path: info.size for info in found if info.type == fs.FileType.File}


def read(s3, base):
    return ds.dataset(base, filesystem=s3, format="parquet", partitioning="hive")


def work_on_data_set(s3, bucket):
    base = f"{bucket}/data set/größe"
    table = pa.table(COLUMNS)
    write(s3, table, base)
    listed = files(s3, base)
    assert len(listed) == 6, listed
    years = s3.get_file_info(fs.FileSelector(base))
    assert sorted(info.base_name for info in years) == ["year=2020", "year=2021", "year=2022"], years

    assert read(s3, base).to_table().sort_by("id").equals(table), "the data set isn't what was written"
    some = read(s3, base).to_table(columns=["text"], filter=(ds.field("year") == 2021) & (ds.field("id") < 100))
    assert sorted(some["text"].to_pylist()) == sorted(f"row {n * 7919 % ROWS}" for n in range(1, 100, 3)), some

    path = next(iter(listed))
    s3.copy_file(path, f"{base}/copy.parquet")
    s3.move(f"{base}/copy.parquet", f"{base}/moved.parquet")
    assert pq.read_table(f"{base}/moved.parquet", filesystem=s3).equals(pq.read_table(path, filesystem=s3))
    assert f"{base}/copy.parquet" not in files(s3, base)

    s3.delete_file(path)
    assert s3.get_file_info(path).type == fs.FileType.NotFound
    s3.delete_dir(base)
    assert not files(s3, bucket), files(s3, bucket)


def work_on_streams(s3, bucket):
    """Streams of many sizes, which pyarrow sends in parts if they are closed late."""
    for size in (0, 5, 3_000_000, 21_000_000):
        value = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        path = f"{bucket}/stream {size}"
        with s3.open_output_stream(path, metadata={"Content-Type": "a/b"}) as stream:
            for at in range(0, size, 1 << 20):
                stream.write(value[at : at + (1 << 20)])
        info = s3.get_file_info(path)
        assert info.type == fs.FileType.File and info.size == size, info
        with s3.open_input_stream(path) as stream:
            assert stream.metadata()["Content-Type"] == b"a/b", stream.metadata()
            assert stream.read() == value, f"{size} bytes differ"
        s3.delete_file(path)


def main():
    endpoint, bucket = sys.argv[1:3]
    anonymous = sys.argv[3:] == ["anonymous"]
    rights = {"anonymous": anonymous, "allow_bucket_creation": True, "allow_bucket_deletion": True}
    s3 = fs.S3FileSystem(endpoint_override=endpoint, scheme="http", region="us-east-1", **rights)
    if not anonymous:
        s3.create_dir(bucket)
    work_on_streams(s3, bucket)
    work_on_data_set(s3, bucket)
    if not anonymous:
        s3.delete_dir(bucket)
        assert s3.get_file_info(bucket).type == fs.FileType.NotFound


main()
