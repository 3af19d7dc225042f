#include "launcher/quantity.h"

#include <stddef.h>

/* By how many bits the unit moves a number; -1 for none. */
static int unit_bits(const char *unit)
{
    static const struct {
        char letter;
        int bits;
    } units[] = {{'\0', 0}, {'K', 10}, {'k', 10}, {'M', 20}, {'m', 20}, {'G', 30}, {'g', 30}};

    if (unit[0] != '\0' && unit[1] != '\0')
        return -1;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (units[i].letter == unit[0])
            return units[i].bits;
    }
    return -1;
}

bool quantity_parse(const char *text, uint64_t *bytes)
{
    uint64_t n = 0;
    int bits;

    for (; *text >= '0' && *text <= '9'; text++) {
        unsigned digit = (unsigned)(*text - '0');

        if (n > ((uint64_t)INT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    bits = unit_bits(text);
    if (n == 0 || bits < 0 || n > (uint64_t)INT64_MAX >> bits)
        return false;
    *bytes = n << bits;
    return true;
}
