/* tls_notice: says at the start what is taken of TLS libraries, or why nothing is. */
#pragma once
#include "capture/capture.h"

/* Why nothing is taken is said also when `is_quiet`. */
void tls_notice(const struct capture *capture, bool is_quiet);
