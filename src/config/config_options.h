/* config_options: the actions of `weir config`, for its help and manual page. */
#pragma once
#include "config/option.h"

extern const struct option_table config_option_table;
