/* parsers: the list of parse/parsers.def as a table. */
#include "contract/parser.h"

const struct parser *const parsers_all[] = {
#define PARSER(name) &parser_##name,
#include "parse/parsers.def"
#undef PARSER
    NULL,
};
