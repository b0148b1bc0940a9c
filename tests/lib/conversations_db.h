/* conversations_db: the conversations of databases and brokers, for tests of one parser too. */
#pragma once
#include "tests/lib/feeder.h"

#define CONVERSATION(parser, name) extern const struct feeder_step conversation_##parser##_##name[];
#include "tests/lib/conversations_db.def"
#undef CONVERSATION
