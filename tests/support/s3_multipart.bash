# shellcheck shell=bash
# Multipart uploads of S3 to the bucket B, for files that load s3.

# Creates an upload, and sets ID.
create() { # KEY [CURL-OPTIONS...]
    local key=$1
    shift
    s3_want 200 POST "/$B/$key?uploads" "$@"
    same "$B" "$(element Bucket)" Bucket
    ID=$(element UploadId)
    [[ $ID =~ ^[0-9a-f]{32}$ ]] || fail "no upload id: $ID"
}

# Uploads a part, and sets ETAG.
part() { # KEY NUMBER VALUE [CURL-OPTIONS...]
    local key=$1 number=$2 value=$3
    shift 3
    s3_want 200 PUT "/$B/$key?uploadId=$ID&partNumber=$number" --data-binary "$value" "$@"
    ETAG=$(header ETag)
    same "\"$(printf %s "$value" | md5_of)\"" "$ETAG" 'ETag of a part'
}

part_file() { # KEY NUMBER FILE [CURL-OPTIONS...]
    local key=$1 number=$2 file=$3
    shift 3
    s3_want 200 PUT "/$B/$key?uploadId=$ID&partNumber=$number" -T "$file" "$@"
}

# Prints the body of a Complete.
list_of() { # NUMBER MD5...
    printf '<CompleteMultipartUpload>'
    printf '<Part><PartNumber>%s</PartNumber><ETag>"%s"</ETag></Part>' "$@"
    printf '</CompleteMultipartUpload>'
}

# Completes the upload of these parts, as they are listed, or as they were when they last were.
complete() { # KEY NUMBER...
    local key=$1 number list=()
    shift
    if [[ ! -e $T/parts-$ID ]]; then
        s3_want 200 GET "/$B/$key?uploadId=$ID"
        paste <(elements PartNumber) <(elements ETag | sed 's/&quot;//g') >"$T/parts-$ID"
    fi
    for number in "$@"; do
        list+=("$number" "$(awk -v n="$number" '$1 == n { print $2 }' "$T/parts-$ID")")
    done
    s3_want 200 POST "/$B/$key?uploadId=$ID" --data-binary "$(list_of "${list[@]}")"
}

make_object() { # KEY FILE...
    local key=$1 number=0 file numbers=()
    shift
    create "$key"
    for file in "$@"; do
        numbers+=($((++number)))
        part_file "$key" $number "$file"
    done
    complete "$key" "${numbers[@]}"
}

# Prints the ETag of an object of these parts, as XML has it.
etag_of() { # FILE...
    local file
    printf '&quot;%s-%s&quot;' "$(for file in "$@"; do openssl dgst -md5 -binary <"$file"; done | md5_of)" $#
}

unquoted() { # ETAG
    local etag=${1//&quot;/}
    printf %s "$etag"
}

# Files of parts, whose names begin with the base64 of "/_mkv/s3/part/".
files_of_parts() {
    find "$T/data" ${F:+"$F/data"} -type f -path '*/data/v?/*/L19ta3YvczMvcGFydC*'
}

sha256() { # FILE
    openssl dgst -sha256 -binary <"$1"
}

# Prints the CRC32 of a file as S3 has it.
crc32() { # FILE
    gzip -c "$1" | tail -c 8 | head -c 4 | od -An -tx4 --endian=little | xargs | xxd -r -p | base64
}
