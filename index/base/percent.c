#include "index/base/percent.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int percent_byte(const char *at, size_t left)
{
    int high;
    int low;

    if (left < 3)
        return -1;
    high = hex_digit(at[1]);
    low = hex_digit(at[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}
