/* severity: one walk over the values; the worst that any of them says. */
#include "encode/severity.h"

enum { CRITICAL = 2, ERROR = 3, WARNING = 4, INFORMATIONAL = 6 };

static unsigned of_status(uint64_t status)
{
    return status >= 500 ? ERROR : status >= 400 ? WARNING : INFORMATIONAL;
}

static unsigned of_text(const struct value *value)
{
    switch (value->field) {
    case FIELD_TYPE:
        return slice_is_equal(value->text, SLICE_LITERAL("loss")) ||
                       slice_is_equal(value->text, SLICE_LITERAL("alert"))
                   ? WARNING
                   : INFORMATIONAL;
    case FIELD_ERROR_MESSAGE:
    case FIELD_CONNECTION_ERROR:
        return ERROR;
    case FIELD_DROP_REASON:
        return WARNING;
    default:
        return INFORMATIONAL;
    }
}

/* Most fields say nothing of it. */
static const bool is_telling[FIELD_COUNT] = {
    [FIELD_TYPE] = true,
    [FIELD_ERROR_MESSAGE] = true,
    [FIELD_CONNECTION_ERROR] = true,
    [FIELD_DROP_REASON] = true,
    [FIELD_HTTP_RESPONSE_STATUS_CODE] = true,
    [FIELD_RPC_GRPC_STATUS_CODE] = true,
};

static unsigned of_value(const struct value *value)
{
    if (value->kind == VALUE_TEXT)
        return of_text(value);
    if (value->field == FIELD_HTTP_RESPONSE_STATUS_CODE)
        return of_status(value->number);
    return value->field == FIELD_RPC_GRPC_STATUS_CODE && value->number ? ERROR : INFORMATIONAL;
}

unsigned severity_of(const struct record *record)
{
    unsigned worst = INFORMATIONAL;

    for (size_t i = 0; i < record->value_count; i++) {
        const struct value *value = &record->values[i];

        if (is_telling[value->field] && of_value(value) < worst)
            worst = of_value(value);
    }
    return worst;
}

const char *severity_name(unsigned severity)
{
    return severity <= CRITICAL  ? "fatal"
           : severity == ERROR   ? "error"
           : severity == WARNING ? "warn"
                                 : "info";
}
