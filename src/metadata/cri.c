/*
 * cri: three questions for a container – its status, its sandbox's id, the sandbox's status – since
 * no answer has it all. Field numbers are those of api.proto.
 */
#include "metadata/cri.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <jansson.h>
#include "base/allocate.h"
#include "base/buffer.h"
#include "metadata/exchanges.h"
#include "metadata/protobuf.h"

enum {
    ID_MAXIMUM = 120, /* so that its length is a varint of one byte */
    FRAME_BYTES = 5,  /* of gRPC: is it compressed, four bytes of length */
    QUESTION_BYTES = 160,
    URL_BYTES = 96,
    GRPC_NOT_FOUND = 5,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_STATUS_MAXIMUM = 100,
};

struct cri {
    struct exchanges *exchanges;
    struct buffer answer;
    int result;
    int grpc_status; /* -1: not told */
    bool has_ended;
};

int cri_new(struct cri **ret_cri)
{
    struct cri *cri = allocate_zeroed(sizeof(*cri));
    int result = cri ? exchanges_new(&cri->exchanges) : -ENOMEM;

    if (result) {
        deallocate(cri);
        return result;
    }
    buffer_init(&cri->answer, CRI_ANSWER_MAXIMUM);
    *ret_cri = cri;
    return 0;
}

void cri_free(struct cri **cri)
{
    if (!*cri)
        return;
    exchanges_free(&(*cri)->exchanges);
    buffer_done(&(*cri)->answer);
    deallocate(*cri);
    *cri = NULL;
}

static bool on_body(void *context, unsigned status, struct slice bytes)
{
    struct cri *cri = context;

    (void)status;
    return buffer_append(&cri->answer, bytes) == 0;
}

static void on_header(void *context, struct slice line)
{
    struct slice name = SLICE_LITERAL("grpc-status:");
    struct cri *cri = context;

    if (!slice_is_equal_ignoring_case(slice_part(line, 0, name.length), name))
        return;
    cri->grpc_status = 0;
    for (size_t i = name.length; i < line.length && cri->grpc_status < GRPC_STATUS_MAXIMUM; i++)
        if (isdigit(line.data[i]))
            cri->grpc_status = cri->grpc_status * 10 + line.data[i] - '0';
}

static void on_end(void *context, int result, unsigned status)
{
    struct cri *cri = context;

    cri->result = result ? result : status == 200 ? 0 : -EPROTO;
    cri->has_ended = true;
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* One call. 0 and a message that stays until the next, -ENOENT, -ENOSYS, or another -errno. */
static int call(struct cri *cri, const char *socket, const char *url, struct slice question,
                uint64_t deadline_ms, struct slice *ret_message)
{
    static const char *const headers[] = {"Content-Type: application/grpc", "TE: trailers", NULL};
    uint64_t now = now_ms();
    struct exchange_request request = {
        .url = url,
        .socket = socket,
        .is_http2 = true,
        .headers = headers,
        .body = question,
        .timeout_ms = deadline_ms > now ? deadline_ms - now : 1,
        .connect_timeout_ms = CRI_TIMEOUT_MS,
        .context = cri,
        .on_body = on_body,
        .on_header = on_header,
        .on_end = on_end,
    };
    int result;

    buffer_consume(&cri->answer, SIZE_MAX);
    cri->has_ended = false;
    cri->grpc_status = -1;
    result = exchanges_start(cri->exchanges, &request);
    while (result == 0 && !cri->has_ended)
        exchanges_run(cri->exchanges, CRI_TIMEOUT_MS);
    result = result ? result : cri->result;
    if (result == 0 && cri->grpc_status)
        result = cri->grpc_status == GRPC_NOT_FOUND       ? -ENOENT
                 : cri->grpc_status == GRPC_UNIMPLEMENTED ? -ENOSYS
                                                          : -EPROTO;
    if (result == 0 && (cri->answer.length < FRAME_BYTES || cri->answer.data[0]))
        result = -EPROTO;
    if (result == 0)
        *ret_message = slice_part(buffer_slice(&cri->answer), FRAME_BYTES, SIZE_MAX);
    return result;
}

/* The same for the method's name, with the version that the runtime has. */
static int ask(struct cri *cri, const char *socket, const char *method, struct slice message,
               uint64_t deadline_ms, struct slice *ret_answer)
{
    static const char *const versions[] = {"v1", "v1alpha2"};
    uint8_t question[FRAME_BYTES + QUESTION_BYTES] = {0};
    char url[URL_BYTES];
    int result = -ENOSYS;

    question[FRAME_BYTES - 1] = (uint8_t)message.length;
    memcpy(question + FRAME_BYTES, message.data, message.length);
    for (size_t i = 0; i < 2 && result == -ENOSYS; i++) {
        snprintf(url, sizeof(url), "http://localhost/runtime.%s.RuntimeService/%s", versions[i],
                 method);
        result = call(cri, socket, url, slice_of(question, FRAME_BYTES + message.length),
                      deadline_ms, ret_answer);
    }
    return result;
}

static size_t put_bytes(uint8_t *place, uint8_t field, struct slice bytes)
{
    place[0] = (uint8_t)(field << 3 | 2);
    place[1] = (uint8_t)bytes.length; /* below 128 */
    memcpy(place + 2, bytes.data, bytes.length);
    return 2 + bytes.length;
}

static bool is_wanted(const char *const *names, struct slice name)
{
    for (; names && *names; names++)
        if (slice_is_equal(name, slice_of_string(*names)))
            return true;
    return false;
}

/* The environment stands in the verbose part: info["info"], JSON with the OCI specification. */
static void variables_read(struct slice json, const char *const *names, struct facts_draft *draft)
{
    json_t *root = json_loadb((const char *)json.data, json.length, 0, NULL), *value;
    json_t *process = json_object_get(json_object_get(root, "runtimeSpec"), "process");
    size_t index;

    json_array_foreach(json_object_get(process, "env"), index, value)
    {
        const char *text = json_string_value(value);

        if (text && is_wanted(names, slice_part(slice_of_string(text), 0, strcspn(text, "="))))
            facts_add(draft, FACTS_VARIABLES, slice_of_string(text), (struct slice){NULL, 0});
    }
    json_decref(root);
}

/* Entries of a map of labels. */
static void labels_read(struct slice message, uint64_t number, enum facts_list list,
                        struct facts_draft *draft)
{
    struct protobuf_field field;

    while (protobuf_next(&message, &field)) {
        struct slice name, value;

        if (field.number != number || !field.bytes.data)
            continue;
        protobuf_entry(field.bytes, &name, &value);
        facts_note_label(draft, name, value);
        facts_add(draft, list, name, value);
    }
}

int cri_read_container(struct slice message, const struct cri_wishes *wishes,
                       struct facts_draft *draft)
{
    struct slice status = protobuf_find(message, 1), name, value;
    struct protobuf_field field;

    if (!status.data)
        return -EPROTO;
    facts_set(draft, FACTS_NAME, protobuf_find(protobuf_find(status, 2), 1));
    facts_set_image(draft, protobuf_find(protobuf_find(status, 8), 1));
    labels_read(status, 12, FACTS_LABELS, draft);
    while (wishes->variables && wishes->variables[0] && protobuf_next(&message, &field)) {
        if (field.number != 2 || !field.bytes.data)
            continue;
        protobuf_entry(field.bytes, &name, &value);
        if (slice_is_equal(name, SLICE_LITERAL("info")))
            variables_read(value, wishes->variables, draft);
    }
    return 0;
}

int cri_read_pod(struct slice message, const struct cri_wishes *wishes, struct facts_draft *draft)
{
    struct slice status = protobuf_find(message, 1), metadata = protobuf_find(status, 2), rest;
    struct slice own = SLICE_LITERAL("io.kubernetes."); /* of the kubelet, not the pod's */
    struct protobuf_field field;

    if (!status.data || !metadata.data)
        return -EPROTO;
    facts_set(draft, FACTS_POD_NAME, protobuf_find(metadata, 1));
    facts_set(draft, FACTS_POD_UID, protobuf_find(metadata, 2));
    facts_set(draft, FACTS_NAMESPACE, protobuf_find(metadata, 3));
    if (!draft->texts[FACTS_POD_CONTAINER].length) /* another runtime's labels may lack it */
        draft->texts[FACTS_POD_CONTAINER] = draft->texts[FACTS_NAME];
    for (rest = status; protobuf_next(&rest, &field);) {
        struct slice name, value;

        if ((field.number != 7 && field.number != 8) || !field.bytes.data)
            continue;
        protobuf_entry(field.bytes, &name, &value);
        if (field.number == 7 && !slice_is_equal(slice_part(name, 0, own.length), own))
            facts_add(draft, FACTS_POD_LABELS, name, value);
        else if (field.number == 8 && is_wanted(wishes->annotations, name))
            facts_add(draft, FACTS_POD_ANNOTATIONS, name, value);
    }
    return 0;
}

struct slice cri_read_sandbox(struct slice message, struct slice id)
{
    struct protobuf_field field;

    while (protobuf_next(&message, &field))
        if (field.number == 1 && field.bytes.data &&
            slice_is_equal(protobuf_find(field.bytes, 1), id))
            return protobuf_find(field.bytes, 2);
    return (struct slice){NULL, 0};
}

static int inspect_pod(struct cri *cri, const char *socket, struct slice sandbox,
                       const struct cri_wishes *wishes, uint64_t deadline_ms,
                       struct facts_draft *draft)
{
    uint8_t question[QUESTION_BYTES];
    size_t length = put_bytes(question, 1, sandbox);
    struct slice answer = {NULL, 0};
    int result =
        ask(cri, socket, "PodSandboxStatus", slice_of(question, length), deadline_ms, &answer);

    return result ? result : cri_read_pod(answer, wishes, draft);
}

static int inspect_container(struct cri *cri, const char *socket, struct slice id,
                             const struct cri_wishes *wishes, uint64_t deadline_ms,
                             struct facts_draft *draft)
{
    uint8_t question[QUESTION_BYTES], filter[QUESTION_BYTES];
    size_t length = put_bytes(question, 1, id);
    struct slice answer = {NULL, 0}, sandbox;
    char copy[ID_MAXIMUM];
    int result;

    if (wishes->variables && wishes->variables[0]) { /* verbose */
        question[length++] = 2 << 3;
        question[length++] = 1;
    }
    result = ask(cri, socket, "ContainerStatus", slice_of(question, length), deadline_ms, &answer);
    if (result == 0)
        result = cri_read_container(answer, wishes, draft);
    if (result)
        return result;
    length = put_bytes(filter, 1, id);
    length = put_bytes(question, 1, slice_of(filter, length));
    if (ask(cri, socket, "ListContainers", slice_of(question, length), deadline_ms, &answer))
        return 0; /* then without what its pod would tell */
    sandbox = cri_read_sandbox(answer, id);
    if (sandbox.length == 0 || sandbox.length > sizeof(copy))
        return 0;
    memcpy(copy, sandbox.data, sandbox.length); /* the next answer overwrites this one */
    inspect_pod(cri, socket, slice_of(copy, sandbox.length), wishes, deadline_ms, draft);
    return 0;
}

int cri_inspect(struct cri *cri, const char *socket, struct slice id,
                const struct cri_wishes *wishes, struct facts **ret_facts)
{
    uint64_t deadline_ms = now_ms() + CRI_TIMEOUT_MS;
    struct facts_draft *draft;
    int result;

    if (!id.length || id.length > ID_MAXIMUM)
        return -ENOENT;
    draft = facts_draft_new();
    if (!draft)
        return -ENOMEM;
    result = inspect_container(cri, socket, id, wishes, deadline_ms, draft);
    if (result == -ENOENT) /* a process of the sandbox itself */
        result = inspect_pod(cri, socket, id, wishes, deadline_ms, draft);
    if (result == 0) {
        *ret_facts = facts_finish(draft);
        result = *ret_facts ? 0 : -ENOMEM;
    }
    deallocate(draft);
    return result;
}
