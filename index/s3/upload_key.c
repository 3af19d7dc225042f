#include "index/s3/upload_key.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "index/s3/bucket_name.h"
#include "index/s3/copy_source.h"

#define RECORDS_LEN (sizeof(UPLOAD_RECORDS) - 1)
#define DIGITS      5 /* of a part's number */

static_assert(RECORDS_LEN + BUCKET_NAME_MAX + 1 + S3_KEY_MAX + UPLOAD_TAIL <= KEY_MAX &&
                  sizeof(UPLOAD_PARTS) + KEY_PART_ID + BUCKET_NAME_MAX + 1 + S3_KEY_MAX <= KEY_MAX,
              "each object can have uploads");
static_assert(UPLOAD_ID_LENGTH + 1 + DIGITS == KEY_PART_ID, "parts have their place");
static_assert(RECORDS_LEN + UPLOAD_TAIL < sizeof(UPLOAD_PARTS) + KEY_PART_ID,
              "the key of a record is shorter than those of its parts");

static void append(struct key *key, const char *bytes, size_t n)
{
    memcpy(key->bytes + key->len, bytes, n);
    key->len += n;
}

/* --- Records --------------------------------------------------------------------------------- */

void upload_key_of_record(const struct key *object, const char *id, struct key *key)
{
    const char separator = UPLOAD_SEPARATOR;

    key->len = 0;
    append(key, UPLOAD_RECORDS, RECORDS_LEN);
    append(key, object->bytes + 1, object->len - 1);
    append(key, &separator, 1);
    append(key, id, UPLOAD_ID_LENGTH);
}

bool upload_key_object(const void *key, size_t len, struct key *object)
{
    const char *bytes = key;

    if (len <= RECORDS_LEN + UPLOAD_TAIL || memcmp(bytes, UPLOAD_RECORDS, RECORDS_LEN) != 0 ||
        bytes[len - UPLOAD_TAIL] != UPLOAD_SEPARATOR)
        return false;
    object->len = 0;
    append(object, bytes + RECORDS_LEN - 1, len - UPLOAD_TAIL - RECORDS_LEN + 1);
    return true;
}

/* --- Parts ----------------------------------------------------------------------------------- */

void upload_key_of_parts(const char *id, struct key *key)
{
    key->len = 0;
    append(key, UPLOAD_PARTS, sizeof(UPLOAD_PARTS) - 1);
    append(key, id, UPLOAD_ID_LENGTH);
    append(key, "/", 1);
}

void upload_key_of_parts_from(const char *id, unsigned number, struct key *key)
{
    char digits[16];
    int n = snprintf(digits, sizeof(digits), "%0*u", DIGITS, number);

    assert(n == DIGITS);
    upload_key_of_parts(id, key);
    append(key, digits, (size_t)n);
}

void upload_key_of_part(const struct key *object, const char *id, unsigned number, struct key *key)
{
    upload_key_of_parts_from(id, number, key);
    append(key, object->bytes, object->len);
}

bool upload_key_record_of_part(const struct key *part, struct key *record)
{
    char id[UPLOAD_ID_SIZE] = "";
    struct key object;
    const char *place = key_to_place(part->bytes, part->len, &object.len);
    const char *at = part->bytes + sizeof(UPLOAD_PARTS) - 1;

    if (place == part->bytes || at[UPLOAD_ID_LENGTH] != '/')
        return false;
    memcpy(object.bytes, place, object.len);
    memcpy(id, at, UPLOAD_ID_LENGTH);
    upload_key_of_record(&object, id, record);
    return true;
}

unsigned upload_key_part_number(const void *key, size_t len, const struct key *parts)
{
    const char *digits = (const char *)key + parts->len;
    unsigned number = 0;

    if (len <= parts->len + DIGITS || digits[DIGITS] != '/')
        return 0;
    for (size_t i = 0; i < DIGITS; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return 0;
        number = number * 10 + (unsigned)(digits[i] - '0');
    }
    return number;
}
