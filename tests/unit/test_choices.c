/*
 * Everything by which can be chosen what is logged, one line for each kind: the same expression as
 * a filter that includes, as one that excludes, as a rule that is off, that makes a summary, that
 * samples, and as the condition of a header rule. One that looks at nothing fails in all of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "model/query_decide.h"
#include "refine/rules.h"

enum { RECORDS = 3, RECORD_BYTES = 65536, EXPRESSION_BYTES = 512 };

/* Three exchanges that have no value in common but what nobody chooses by. */
static const struct exchange {
    uint64_t pid, server_port, client_port, status, duration_ns;
    const char *command, *owner, *path, *cgroup, *container, *label, *variable, *image;
    const char *pod, *space, *pod_label, *deployment, *client, *server, *type, *protocol,
        *transport;
    const char *role, *method, *host, *url, *header;
} exchanges[RECORDS] = {
    {101,
     8080,
     41000,
     200,
     5000000,
     "nginx",
     "www-data",
     "/usr/sbin/nginx",
     "/system.slice/a",
     "shop",
     "app=shop",
     "STAGE=prod",
     "nginx:1",
     "web-1",
     "prod",
     "tier=front",
     "web",
     "192.0.2.10",
     "198.51.100.1",
     "http",
     "http",
     "tcp",
     "server",
     "GET",
     "shop.example",
     "/cart/7",
     "one"},
    {102,
     8081,
     42000,
     404,
     50000000,
     "curl",
     "root",
     "/usr/bin/curl",
     "/user.slice/b",
     "cart",
     "app=cart",
     "STAGE=test",
     "curl:2",
     "job-1",
     "test",
     "tier=back",
     "job",
     "192.0.2.20",
     "203.0.113.1",
     "redis",
     "redis",
     "udp",
     "client",
     "POST",
     "api.example",
     "/api/v1",
     "two"},
    {103,           8082,        43000,
     503,           500000000,   "java",
     "app",         "/opt/java", "/machine.slice/c",
     "db",          "app=db",    "STAGE=demo",
     "java:3",      "db-0",      "data",
     "tier=db",     "db",        "2001:db8::1",
     "2001:db8::2", "dns",       "dns",
     "sctp",        "observer",  "PUT",
     "db.example",  "/health",   "three"},
};

/* `chosen`: bit n, the exchange n. */
static const struct choice {
    const char *kind, *expression;
    unsigned chosen;
} choices[] = {
    {"command", "process.command == nginx", 1},
    {"command, pattern", "process.command =~ \"^(cu|ja)\"", 6},
    {"executable", "process.executable.path =~ \"^/usr/\"", 3},
    {"pid", "process.pid == 102", 2},
    {"pid, list", "process.pid in (101, 103)", 5},
    {"owner", "process.owner == root", 2},
    {"cgroup", "process.linux.cgroup =~ \"^/system.slice(/|$)\"", 1},
    {"container, name", "container.name == cart", 2},
    {"container, name, pattern", "container.name =~ \"^(shop|db)$\"", 5},
    {"container, label", "container.labels == \"app=db\"", 4},
    {"container, label, pattern", "container.labels =~ \"^app=(shop|cart)$\"", 3},
    {"container, variable", "container.environment == \"STAGE=prod\"", 1},
    {"container, image", "container.image.name =~ \"^java\"", 4},
    {"pod, name", "k8s.pod.name =~ \"^web-\"", 1},
    {"pod, namespace", "k8s.namespace.name in (test, data)", 6},
    {"pod, label", "k8s.pod.labels == \"tier=back\"", 2},
    {"pod, owner", "k8s.deployment.name == db", 4},
    {"address", "client.address == 192.0.2.20", 2},
    {"address, network", "client.address == 192.0.2.0/24", 3},
    {"address, network, IPv6", "server.address == 2001:db8::/32", 4},
    {"address, list", "server.address in (198.51.100.0/24, 2001:db8::2)", 5},
    {"port", "server.port == 8080", 1},
    {"port, range", "server.port >= 8081 and server.port < 8082", 2},
    {"port, client's", "client.port == 43000", 4},
    {"protocol", "network.protocol.name == redis", 2},
    {"protocol, type", "type in (http, dns)", 5},
    {"protocol, transport", "network.transport == tcp", 1},
    {"direction", "role == server", 1},
    {"direction, list", "role in (client, observer)", 6},
    {"method", "http.request.method == POST", 2},
    {"host", "url.domain == shop.example", 1},
    {"host, pattern", "url.domain =~ \"^(api|db)[.]\"", 6},
    {"path", "url.path == \"/health\"", 4},
    {"path, pattern", "url.path =~ \"^/(cart|api)/\"", 3},
    {"status", "http.response.status_code >= 500", 4},
    {"status, list", "http.response.status_code in (200, 404)", 3},
    {"header", "http.request.headers[\"X-Who\"] == two", 2},
    {"duration", "duration_ns > 100ms", 4},
    {"all together", "process.pid == 101 and k8s.pod.labels == \"tier=front\" and role == server",
     1},
    {"either", "process.owner == app or url.path == \"/api/v1\"", 6},
};
enum { CHOICES = sizeof(choices) / sizeof(*choices) };

static struct block_list blocks, header_blocks;
static char message[OPTION_MESSAGE_BYTES];

static void add_text(struct record *record, enum field_id field, const char *text)
{
    record_add_text(record, field, slice_of_string(text));
}

static void add_item(struct record *record, enum field_id field, const char *text)
{
    struct slice *item = arena_allocate(record->arena, sizeof(*item));

    *item = slice_of_string(text);
    record_add_texts(record, field, item, 1);
}

static void add_address(struct record *record, enum field_id field, const char *text)
{
    struct address *address = arena_allocate(record->arena, sizeof(*address));

    assert_int_equal(address_parse(slice_of_string(text), address), 0);
    record_add_address(record, field, address);
}

static void add_headers(struct record *record, const char *text)
{
    struct header *header = arena_allocate(record->arena, sizeof(*header));

    *header = (struct header){SLICE_LITERAL("x-who"), slice_of_string(text)};
    record_add_headers(record, FIELD_HTTP_REQUEST_HEADERS, header, 1);
}

static void add_process(struct record *record, const struct exchange *from)
{
    record_add_number(record, FIELD_PROCESS_PID, from->pid);
    add_text(record, FIELD_PROCESS_COMMAND, from->command);
    add_text(record, FIELD_PROCESS_OWNER, from->owner);
    add_text(record, FIELD_PROCESS_EXECUTABLE_PATH, from->path);
    add_text(record, FIELD_PROCESS_LINUX_CGROUP, from->cgroup);
}

static struct record *make(const struct exchange *from)
{
    struct record *record = record_new(RECORD_BYTES);

    record->time_ns = 1;
    add_process(record, from);
    add_text(record, FIELD_TYPE, from->type);
    add_text(record, FIELD_ROLE, from->role);
    add_text(record, FIELD_NETWORK_TRANSPORT, from->transport);
    add_text(record, FIELD_NETWORK_PROTOCOL_NAME, from->protocol);
    add_address(record, FIELD_CLIENT_ADDRESS, from->client);
    add_address(record, FIELD_SERVER_ADDRESS, from->server);
    record_add_number(record, FIELD_CLIENT_PORT, from->client_port);
    record_add_number(record, FIELD_SERVER_PORT, from->server_port);
    record_add_number(record, FIELD_DURATION_NS, from->duration_ns);
    add_text(record, FIELD_CONTAINER_NAME, from->container);
    add_text(record, FIELD_CONTAINER_IMAGE_NAME, from->image);
    add_item(record, FIELD_CONTAINER_LABELS, from->label);
    add_item(record, FIELD_CONTAINER_ENVIRONMENT, from->variable);
    add_text(record, FIELD_K8S_POD_NAME, from->pod);
    add_text(record, FIELD_K8S_NAMESPACE_NAME, from->space);
    add_item(record, FIELD_K8S_POD_LABELS, from->pod_label);
    add_text(record, field_find(SLICE_LITERAL("k8s.deployment.name")), from->deployment);
    add_text(record, FIELD_HTTP_REQUEST_METHOD, from->method);
    add_text(record, FIELD_URL_DOMAIN, from->host);
    add_text(record, FIELD_URL_PATH, from->url);
    record_add_number(record, FIELD_HTTP_RESPONSE_STATUS_CODE, from->status);
    add_headers(record, from->header);
    return record;
}

static struct query *compile(const char *expression)
{
    struct query *query = NULL;
    struct query_error error;

    if (query_compile(slice_of_string(expression), &query, &error))
        fail_msg("%s: %s", expression, error.message);
    return query;
}

static unsigned chosen_by(const char *expression)
{
    struct query *query = compile(expression);
    unsigned chosen = 0;

    for (unsigned i = 0; i < RECORDS; i++) {
        struct record *record = make(&exchanges[i]);

        chosen |= (unsigned)query_matches(query, record) << i;
        record_unref(&record);
    }
    query_free(&query);
    return chosen;
}

static void expect(size_t at, const char *what, unsigned found, unsigned wanted)
{
    if (found != wanted)
        fail_msg("%s: %s (%s): exchanges %x, not %x", choices[at].kind, what,
                 choices[at].expression, found, wanted);
}

static void filters_include_and_exclude(void **state)
{
    char expression[EXPRESSION_BYTES];

    (void)state;
    for (size_t i = 0; i < CHOICES; i++) {
        expect(i, "filter", chosen_by(choices[i].expression), choices[i].chosen);
        snprintf(expression, sizeof(expression), "not (%s)", choices[i].expression);
        expect(i, "filter, not", chosen_by(expression), 7 & ~choices[i].chosen);
    }
}

/* One rule with the expression; which exchanges have which verdict, whose headers are there? */
static void take_by_rule(size_t at, const char *options, unsigned *ret_logged, unsigned *ret_whole)
{
    struct rules_options settings = {.rules = &blocks, .header_rules = &header_blocks};
    struct rules *rules = NULL;
    char text[EXPRESSION_BYTES];
    bool is_header_rule = strncmp(options, "drop", 4) == 0;

    memset(&blocks, 0, sizeof(blocks));
    memset(&header_blocks, 0, sizeof(header_blocks));
    snprintf(text, sizeof(text), "%s match='%s'", options, choices[at].expression);
    assert_int_equal(blocks_parse(is_header_rule ? &header_blocks : &blocks, text), 0);
    if (rules_new(&settings, &rules, message))
        fail_msg("%s: %s", text, message);
    *ret_logged = *ret_whole = 0;
    for (unsigned i = 0; i < RECORDS; i++) {
        struct record *record = make(&exchanges[i]);
        bool is_logged = rules_take(rules, record) == RULES_LOG;
        const struct value *value = record_find(record, FIELD_HTTP_REQUEST_HEADERS);

        *ret_logged |= (unsigned)is_logged << i;
        *ret_whole |= (unsigned)(value && value->count) << i;
        record_unref(&record);
    }
    rules_free(&rules);
}

static void rules_have_levels(void **state)
{
    unsigned logged, whole;

    (void)state;
    for (size_t i = 0; i < CHOICES; i++) {
        take_by_rule(i, "off", &logged, &whole);
        expect(i, "rule, off", logged, 7 & ~choices[i].chosen);
        take_by_rule(i, "heads", &logged, &whole);
        expect(i, "rule, heads", logged & whole, 7);
        take_by_rule(i, "summary", &logged, &whole);
        expect(i, "rule, summary", logged, 7);
        expect(i, "rule, summary", whole, 7 & ~choices[i].chosen);
        take_by_rule(i, "heads sample=0% keep='server.port == 1' slow=1h", &logged, &whole);
        expect(i, "rule, sampled", logged, 7 & ~choices[i].chosen);
        take_by_rule(i, "drop names=*", &logged, &whole);
        expect(i, "header rule", logged, 7);
        expect(i, "header rule", whole, 7 & ~choices[i].chosen);
    }
}

/* What is decided early, of the process alone, never differs from what the record decides. */
static void early_decisions_are_the_same(void **state)
{
    size_t decided = 0;

    (void)state;
    for (size_t i = 0; i < CHOICES; i++) {
        struct query *query = compile(choices[i].expression);

        for (unsigned at = 0; at < RECORDS; at++) {
            struct record *known = record_new(RECORD_BYTES);
            enum query_decision decision;

            add_process(known, &exchanges[at]);
            decision = query_decide(query, known);
            decided += decision != QUERY_UNKNOWN;
            if (decision != QUERY_UNKNOWN)
                expect(i, "early", decision == QUERY_TRUE, choices[i].chosen >> at & 1);
            record_unref(&known);
        }
        query_free(&query);
    }
    assert_true(decided > (size_t)3 * RECORDS);
}

static bool has_port(const uint16_t *ports, size_t count, uint64_t port)
{
    for (size_t i = 0; i < count; i++)
        if (ports[i] == port)
            return true;
    return count == 0;
}

/* The kernel's tables let pass whatever the expression chooses. */
static void the_kernel_refuses_nothing_that_is_chosen(void **state)
{
    size_t conditions = 0;

    (void)state;
    for (size_t i = 0; i < CHOICES; i++) {
        struct query *query = compile(choices[i].expression);
        struct prefilter tables;

        memset(&tables, 0, sizeof(tables));
        query_prefilter(query, &tables);
        for (unsigned at = 0; at < RECORDS; at++) {
            const struct exchange *one = &exchanges[at];
            bool passes =
                has_port(tables.server_ports, tables.server_port_count, one->server_port) &&
                has_port(tables.client_ports, tables.client_port_count, one->client_port);
            bool is_pid = tables.pid_count == 0;

            for (size_t j = 0; j < tables.pid_count; j++)
                is_pid = is_pid || tables.pids[j] == one->pid;
            conditions += !(passes && is_pid);
            if (choices[i].chosen >> at & 1 && !(passes && is_pid))
                fail_msg("%s: exchange %u is refused", choices[i].kind, at);
        }
        query_free(&query);
    }
    assert_true(conditions > 0);
}

static int tear_down(void **state)
{
    (void)state;
    record_pool_done();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_include_and_exclude),
        cmocka_unit_test(rules_have_levels),
        cmocka_unit_test(early_decisions_are_the_same),
        cmocka_unit_test(the_kernel_refuses_nothing_that_is_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
