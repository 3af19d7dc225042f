#!/usr/bin/env bats
# Docker's registry, which keeps its images by S3: they are pushed and pulled by skopeo.

load ../support/lib
load ../support/s3
load ../support/s3_clients

before_all() {
    clients_cluster
}

before_each() {
    need_client docker-registry
    need_client skopeo
    clients_home
    printf '{"default": [{"type": "insecureAcceptAnything"}]}' >"$T/policy.json"
}

# Starts the registry; its users are redirected to presigned URLs, or not.
registry() { # BUCKET "disable: BOOL"
    as_admin s3_want 200 PUT "/$1"
    cat >"$T/registry.yml" <<EOF
version: 0.1
log:
  level: warn
  accesslog:
    disabled: true
storage:
  s3:
    regionendpoint: $ENDPOINT
    region: us-east-1
    bucket: $1
    rootdirectory: /of/this
    secure: false
    chunksize: 5242880
    multipartcopychunksize: 5242880
    multipartcopythresholdsize: 5242880
  delete:
    enabled: true
  redirect:
    $2
http:
  addr: $(at registry)
EOF
    hatch registry docker-registry serve "$T/registry.yml"
    within 10 listening "$(port registry)"
    AT=docker://$(at registry)
}

copy_image() { # FROM TO
    skopeo --policy "$T/policy.json" --registries.d "$T" copy --quiet --src-tls-verify=false \
        --dest-tls-verify=false "$@"
}

# Puts a file into an image, and prints its descriptor.
add_blob() { # DIR TYPE FILE
    local sum
    sum=$(sha256sum <"$3" | cut -c1-64)
    cp "$3" "$1/blobs/sha256/$sum"
    printf '{"mediaType":"application/vnd.oci.image.%s","digest":"sha256:%s","size":%d}' "$2" "$sum" "$(stat -c %s "$3")"
}

joined() { # ITEM...
    local IFS=,
    printf '[%s]' "$*"
}

# Makes an image in OCI's layout, with a layer of each size.
make_image() { # DIR BYTES...
    local dir=$1 size diffs=() layers=() config manifest
    shift
    mkdir -p "$dir/blobs/sha256"
    for size in "$@"; do
        head -c "$size" /dev/urandom >"$T/file"
        tar -C "$T" -cf "$T/layer" file
        diffs+=("\"sha256:$(sha256sum <"$T/layer" | cut -c1-64)\"")
        gzip -1 -f "$T/layer"
        layers+=("$(add_blob "$dir" layer.v1.tar+gzip "$T/layer.gz")")
    done
    printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":%s}}' "$(joined "${diffs[@]}")" >"$T/json"
    config=$(add_blob "$dir" config.v1+json "$T/json")
    printf '{"schemaVersion":2,"config":%s,"layers":%s}' "$config" "$(joined "${layers[@]}")" >"$T/json"
    manifest=$(add_blob "$dir" manifest.v1+json "$T/json")
    printf '{"schemaVersion":2,"manifests":[%s]}' "$manifest" >"$dir/index.json"
    printf '{"imageLayoutVersion":"1.0.0"}' >"$dir/oci-layout"
}

# Pulls an image: its blobs, which are named after their SHA-256, must be those of the other.
pulled() { # IMAGE DIR
    rm -rf "$T/pulled"
    copy_image "$1" "oci:$T/pulled"
    diff -r "$2/blobs" "$T/pulled/blobs"
}

# One whole job: images are pushed, pulled, given another name that shares their layers, and deleted.
registry_job() {
    make_image "$T/one" 1000 22000000 300000
    make_image "$T/two" 5242880 1
    copy_image "oci:$T/one" "$AT/team/app:one"
    copy_image "oci:$T/two" "$AT/team/app:two"
    pulled "$AT/team/app:one" "$T/one"
    copy_image "$AT/team/app:one" "$AT/other/name:three"
    pulled "$AT/other/name:three" "$T/one"
    same '["one","two"]' "$(skopeo list-tags --tls-verify=false "$AT/team/app" | jq -c '.Tags | sort')"

    skopeo delete --tls-verify=false "$AT/team/app:one"
    refute copy_image "$AT/team/app:one" "oci:$T/gone" 2>"$T/out"
    grep -q 'manifest unknown' "$T/out"
    pulled "$AT/team/app:two" "$T/two"
    verified
}

@test "images are pushed, pulled and deleted through the registry" {
    registry images 'disable: true'
    registry_job
}

@test "images are pulled by presigned URLs" {
    registry redirected 'disable: false'
    registry_job
    want 307 GET "$(url registry)/v2/team/app/blobs/$(jq -r '.layers[0].digest' "$T/json")" # of two's
    [[ $(header Location) == "$ENDPOINT/redirected/of/this/"*Signature=* ]] || fail "redirected to $(header Location)"
}
