/* severity: how bad a record is, by what it says; the numbers of RFC 5424 §6.2.1. */
#pragma once
#include "model/record.h"

/* 2 critical, 3 error, 4 warning, 6 informational. */
unsigned severity_of(const struct record *record);
const char *severity_name(unsigned severity); /* "info", "warn", "error", "fatal" */
