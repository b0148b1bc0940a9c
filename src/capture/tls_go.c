/*
 * tls_go: crypto/tls in programs written in Go, with or without symbols. Read and Write move the
 * plaintext; handshakes tell which socket a tls.Conn has before the first byte of it; Close ends
 * what is known of a tls.Conn, whose memory is then used for another one.
 */
#include <errno.h>
#include "capture/go_binary.h"
#include "capture/go_functions.h"
#include "capture/tls_library.h"

/* For both conventions, in the order of enum go_convention. */
static const struct {
    const char *name;
    const char *enters[2];
    const char *returns[2]; /* NULL: nothing stands there */
    bool is_needed;
} functions[] = {
    {.name = "crypto/tls.(*Conn).Read",
     .enters = {"weir_tls_go_read_stack", "weir_tls_go_read_register"},
     .returns = {"weir_tls_go_moved_stack", "weir_tls_go_moved_register"},
     .is_needed = true},
    {.name = "crypto/tls.(*Conn).Write",
     .enters = {"weir_tls_go_write_stack", "weir_tls_go_write_register"},
     .returns = {"weir_tls_go_moved_stack", "weir_tls_go_moved_register"},
     .is_needed = true},
    {.name = "crypto/tls.(*Conn).clientHandshake",
     .enters = {"weir_tls_go_inside_stack", "weir_tls_go_inside_register"},
     .returns = {"weir_tls_go_done_stack", "weir_tls_go_done_register"}},
    {.name = "crypto/tls.(*Conn).serverHandshake",
     .enters = {"weir_tls_go_inside_stack", "weir_tls_go_inside_register"},
     .returns = {"weir_tls_go_done_stack", "weir_tls_go_done_register"}},
    {.name = "crypto/tls.(*Conn).Close",
     .enters = {"weir_tls_go_close_stack", "weir_tls_go_close_register"}},
};
enum { FUNCTIONS = sizeof(functions) / sizeof(*functions) };

static int add_point(struct tls_points *points, const char *program, uint64_t offset)
{
    if (points->count == TLS_POINTS_MAXIMUM)
        return -E2BIG;
    points->points[points->count++] = (struct tls_point){.program = program, .offset = offset};
    return 0;
}

/* Entries come last: what a probe at a return does not know, it takes for older than itself. */
static int add_function(struct tls_points *points, size_t i, const struct go_places *places)
{
    int result = 0;

    for (size_t k = 0; functions[i].returns[0] && k < places->return_count && !result; k++)
        result = add_point(points, functions[i].returns[places->convention], places->returns[k]);
    return result ? result
                  : add_point(points, functions[i].enters[places->convention], places->entry);
}

/* All or nothing: an entry without all of its returns would tell of calls that never end. */
static int find(const struct elf_image *image, struct tls_points *ret_points)
{
    struct go_function found[FUNCTIONS];
    struct go_binary binary;
    struct go_places places;
    int result = go_binary_read(image, &binary);

    for (size_t i = 0; i < FUNCTIONS; i++)
        found[i].name = functions[i].name;
    if (!result)
        result = go_functions_find(image, found, FUNCTIONS);
    for (size_t i = 0; i < FUNCTIONS && !result; i++) {
        if (!found[i].is_found) { /* a program that is never a server has no server's handshake */
            result = functions[i].is_needed ? -ENOENT : 0;
            continue;
        }
        result = go_binary_places(image, &binary, &found[i], &places);
        if (!result)
            result = add_function(ret_points, i, &places);
    }
    return result;
}

const struct tls_library tls_go = {
    .name = "go",
    .file_names = {NULL},
    .is_in_programs = true,
    .find = find,
};
