#!/usr/bin/env bats
# s3fs: a bucket is mounted, and used as a file system.

load ../support/lib
load ../support/s3
load ../support/s3_clients

before_all() {
    clients_cluster
}

before_each() {
    need_client s3fs
    need_root
    (: <>/dev/fuse) 2>/dev/null || skip 'needs /dev/fuse'
    clients_home
    mkdir "$T/mnt" "$T/cache"
    mount_s3fs
}

after_each() {
    if mounted; then
        unmount
    fi
}

unmount() {
    umount "$T/mnt"
    await_end s3fs
}

mounted() {
    mountpoint -q "$T/mnt"
}

mounted_or_ended() {
    mounted || ended s3fs
}

# Mounts the bucket, made anew; big files go up in parts of 5 MiB.
mount_s3fs() {
    as_admin s3_want '200|409' PUT /mounted
    hatch s3fs s3fs mounted "$T/mnt" -f -o "url=$ENDPOINT,use_path_request_style,multipart_size=5,multipart_copy_size=5,singlepart_copy_limit=5" \
        -o "tmpdir=$T/cache,dbglevel=warn"
    within 15 mounted_or_ended
    mounted || fail 's3fs has not mounted'
}

# Mounts it once more, so that nothing of what follows is told from memory.
remount() {
    unmount
    mount_s3fs
}

@test "files are written, read, renamed, listed and removed" {
    make_tree "$T/tree" 20
    cp -r "$T/tree" "$T/mnt/tree"
    remount
    same_tree "$T/tree" "$T/mnt/tree"
    as_admin s3_want 200 HEAD /mounted/tree/big
    [[ $(header ETag) == *-[2-4]'"' ]] || fail "not uploaded in parts: $(header ETag)"

    mv "$T/mnt/tree/big" "$T/mnt/tree/bigger" # by UploadPartCopy
    mv "$T/tree/big" "$T/tree/bigger"
    mv "$T/mnt/tree/deep" "$T/mnt/tree/with space/deeper" # file by file
    mv "$T/tree/deep" "$T/tree/with space/deeper"
    chmod 640 "$T/mnt/tree/bigger" # a copy onto itself
    touch -d '2020-01-02 03:04:05 UTC' "$T/mnt/tree/empty"
    echo more >>"$T/mnt/tree/with space/größe.txt"
    echo more >>"$T/tree/with space/größe.txt"
    # (Elsewhere s3fs would copy a part of less than 5 MiB before it, which S3 refuses.)
    printf middle | dd of="$T/mnt/tree/bigger" bs=1 seek=10485760 conv=notrunc status=none
    printf middle | dd of="$T/tree/bigger" bs=1 seek=10485760 conv=notrunc status=none
    remount
    same_tree "$T/tree" "$T/mnt/tree"
    same "$(cd "$T/tree" && ls -R)" "$(cd "$T/mnt/tree" && ls -R)" 'what is listed'
    same '640 20971520' "$(stat -c '%a %s' "$T/mnt/tree/bigger")"
    same 1577934245 "$(stat -c %Y "$T/mnt/tree/empty")" mtime

    rm -r "$T/mnt/tree/with space"
    refute rmdir "$T/mnt/tree" 2>/dev/null
    rm -r "$T/mnt/tree"
    remount
    same '' "$(ls -A "$T/mnt")" 'what is left'
    as_admin s3_want 200 GET '/mounted?list-type=2'
    same 0 "$(element KeyCount)" KeyCount
    verified
}
