/* What every unit test includes: cmocka needs these headers before its own. */
#ifndef MKV_TESTS_UNIT_TEST_H
#define MKV_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
