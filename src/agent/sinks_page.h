/* sinks_page: `weir help sinks` and weir-sinks(8), made from the sinks' option tables. */
#pragma once
#include <stdio.h>

void sinks_page_print(FILE *file);        /* as text */
void sinks_page_print_manual(FILE *file); /* man(7) macros */
/* docs/configuration.md, of which the sinks are a part. */
void sinks_page_print_reference(FILE *file);
