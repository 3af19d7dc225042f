#!/usr/bin/env python3
"""Prints what a list of the S3 API on stdin says, a line each, in its order: "KEY name", "PREFIX
name", "BUCKET name", and of what stands once "Element value"; names as they are in the XML.

With the URL of a list that has a query, fetches it page after page, and prints names alone."""

import sys
import urllib.parse
import urllib.request
import xml.etree.ElementTree as tree

NAMES = {"Contents": "KEY", "Version": "KEY", "CommonPrefixes": "PREFIX", "Bucket": "BUCKET"}


def local(element):
    return element.tag.rpartition("}")[2]


def name_of(element):
    for child in element:
        if local(child) in ("Key", "Prefix", "Name"):
            return child.text or ""
    sys.exit("an entry without a name")


def read(root):
    """Yields (what, value) for each entry and each element that stands once."""
    for child in root:
        if local(child) in NAMES:
            yield NAMES[local(child)], name_of(child)
        elif local(child) == "Buckets":
            yield from read(child)
        elif len(child) == 0:
            yield local(child), child.text or ""


def pages(url):
    """Of V2 by tokens, of V1 by NextMarker or else the last name."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    after = ""
    while True:
        with opener.open(url + after, timeout=60) as answer:
            told = list(read(tree.parse(answer).getroot()))
        names = [value for what, value in told if what in NAMES.values()]
        said = {what: value for what, value in told if what not in NAMES.values()}
        yield from names
        if said["IsTruncated"] != "true":
            if "NextContinuationToken" in said or "NextMarker" in said:
                sys.exit("the last page has a next one")
            return
        parameter, value = "marker", said.get("NextMarker", names[-1])
        if "NextContinuationToken" in said:
            parameter, value = "continuation-token", said["NextContinuationToken"]
        after = f"&{parameter}={urllib.parse.quote(value)}"


if len(sys.argv) > 1:
    for each in pages(sys.argv[1]):
        print(each)
else:
    for line in read(tree.parse(sys.stdin.buffer).getroot()):
        print(*line)
