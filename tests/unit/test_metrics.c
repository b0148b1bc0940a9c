/* metrics: routes, series and their limit, histograms, and the text that Prometheus reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "refine/metrics.h"
#include "refine/routes.h"
#include "serve/exposition.h"

static void expect_route(const char *path, const char *expected)
{
    char route[ROUTE_BYTES + 1];

    route[route_of_path(slice_of_string(path), route)] = 0;
    assert_string_equal(route, expected);
}

static void ids_become_placeholders(void **state)
{
    char longest[600];

    (void)state;
    expect_route("/", "/");
    expect_route("", "");
    expect_route("*", "*");
    expect_route("example.com:443", "{other}");
    expect_route("/api/v2/users/123/orders", "/api/v2/users/{id}/orders");
    expect_route("/u/3f2b8c1e-77aa-4d1b-9f00-000000000001/", "/u/{id}/");
    expect_route("/blob/deadbeef42", "/blob/{id}");
    expect_route("/t/aZ93kdKe02mmDwq11x", "/t/{id}");
    expect_route("/users/a@b.c/x%20y", "/users/{id}/{id}");
    expect_route("/static/application.min.js", "/static/application.min.js");
    expect_route("/feedback/facade", "/feedback/facade");
    expect_route("/1/2/3/4/5/6/7/8/9/10", "/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{more}");
    memset(longest, 'a', sizeof(longest));
    for (size_t i = 0; i < sizeof(longest); i += 30)
        longest[i] = '/';
    char route[ROUTE_BYTES];
    assert_int_equal(route_of_path(slice_of(longest, sizeof(longest)), route), ROUTE_BYTES);
}

static struct record *exchange(const char *path, uint64_t status, uint64_t duration_ns)
{
    struct record *record = record_new(65536);

    assert_non_null(record);
    record_add_text(record, FIELD_TYPE, SLICE_LITERAL("http"));
    record_add_text(record, FIELD_ROLE, SLICE_LITERAL("server"));
    record_add_text(record, FIELD_PROCESS_COMMAND, SLICE_LITERAL("ng\"inx\\\n\033"));
    record_add_text(record, FIELD_HTTP_REQUEST_METHOD, SLICE_LITERAL("BREW"));
    record_add_text(record, FIELD_URL_PATH, slice_of_string(path));
    record_add_number(record, FIELD_HTTP_RESPONSE_STATUS_CODE, status);
    record_add_number(record, FIELD_DURATION_NS, duration_ns);
    return record;
}

static void count(struct metrics *metrics, const char *path, uint64_t status, uint64_t duration_ns)
{
    struct record *record = exchange(path, status, duration_ns);

    metrics_take(metrics, record);
    record_unref(&record);
}

static void count_of(struct metrics *metrics, enum field_id field, const char *name)
{
    struct record *record = exchange("/", 200, 1);

    if (field != FIELD_CONTAINER_ID)
        record_add_text(record, FIELD_CONTAINER_ID, SLICE_LITERAL("0123"));
    record_add_text(record, FIELD_CONTAINER_NAME, SLICE_LITERAL("box"));
    record_add_text(record, field, slice_of_string(name));
    metrics_take(metrics, record);
    record_unref(&record);
}

static char *page_of(struct metrics *metrics)
{
    struct buffer buffer;

    buffer_init(&buffer, 1 << 24);
    assert_int_equal(exposition_write(metrics, &buffer), 0);
    assert_int_equal(buffer_append(&buffer, slice_of("", 1)), 0);
    return (char *)buffer.data;
}

#define LABELS                                                                                     \
    "{service_name=\"ng\\\"inx\\\\\\n\\\\u001b\",http_request_method=\"_OTHER\","                  \
    "http_route=\"/a/{id}\","

static void durations_fall_into_buckets(void **state)
{
    struct metrics *metrics;
    char *page;

    (void)state;
    assert_int_equal(metrics_new(0, &metrics), 0);
    count(metrics, "/a/1", 200, 1000000);        /* on a bound: inside */
    count(metrics, "/a/2", 200, 1000001);        /* behind it */
    count(metrics, "/a/3", 200, 99000000000ull); /* above all */
    count(metrics, "/a/4", 503, 5000);
    page = page_of(metrics);
    assert_non_null(strstr(page, "# TYPE http_server_request_duration_seconds histogram\n"));
    assert_non_null(strstr(page, LABELS "http_response_status_code=\"200\",le=\"0.0005\"} 0\n"));
    assert_non_null(strstr(page, LABELS "http_response_status_code=\"200\",le=\"0.001\"} 1\n"));
    assert_non_null(strstr(page, LABELS "http_response_status_code=\"200\",le=\"0.0025\"} 2\n"));
    assert_non_null(strstr(page, LABELS "http_response_status_code=\"200\",le=\"10\"} 2\n"));
    assert_non_null(strstr(page, LABELS "http_response_status_code=\"200\",le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(page, "_count" LABELS "http_response_status_code=\"200\"} 3\n"));
    assert_non_null(
        strstr(page, LABELS "http_response_status_code=\"503\",error_type=\"503\"} 1\n"));
    free(page);
    metrics_free(&metrics);
}

static void series_are_limited(void **state)
{
    enum { LIMIT = 10, PATHS = 500 };
    struct metrics *metrics;
    char path[32], *page;

    (void)state;
    assert_int_equal(metrics_new(LIMIT, &metrics), 0);
    for (int i = 0; i < PATHS; i++) {
        snprintf(path, sizeof(path), "/p%c%c%c", 'a' + i / 26 / 26, 'a' + i / 26 % 26,
                 'a' + i % 26);
        count(metrics, path, 200, 1);
    }
    page = page_of(metrics);
    assert_non_null(strstr(page, "http_route=\"/paaa\""));
    assert_null(strstr(page, "http_route=\"/paaz\""));
    snprintf(path, sizeof(path), "total %d\n", PATHS - LIMIT);
    assert_non_null(strstr(page, path));
    assert_non_null(strstr(page, "http_route=\"other\",http_response_status_code=\"other\","
                                 "error_type=\"other\"} 490\n"));
    free(page);
    metrics_free(&metrics);
}

/* A controller's name, else the container's; a pod's would be another one each time. */
static void services_are_what_runs_the_process(void **state)
{
    struct metrics *metrics;
    char *page;

    (void)state;
    assert_int_equal(metrics_new(0, &metrics), 0);
    count_of(metrics, FIELD_K8S_DEPLOYMENT_NAME, "shop");
    count_of(metrics, FIELD_K8S_CRONJOB_NAME, "night");
    count_of(metrics, FIELD_K8S_CONTAINER_NAME, "web");
    count_of(metrics, FIELD_K8S_POD_NAME, "shop-5d-abc");
    page = page_of(metrics);
    assert_non_null(strstr(page, "service_name=\"shop\""));
    assert_non_null(strstr(page, "service_name=\"night\""));
    assert_non_null(strstr(page, "service_name=\"web\""));
    assert_non_null(strstr(page, "service_name=\"box\""));
    assert_null(strstr(page, "shop-5d-abc"));
    free(page);
    metrics_free(&metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(services_are_what_runs_the_process),
        cmocka_unit_test(ids_become_placeholders),
        cmocka_unit_test(durations_fall_into_buckets),
        cmocka_unit_test(series_are_limited),
    };
    int result = cmocka_run_group_tests_name("metrics", tests, NULL, NULL);

    record_pool_done();
    return result;
}
