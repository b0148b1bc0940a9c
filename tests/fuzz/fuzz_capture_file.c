/*
 * fuzz_capture_file: any bytes as a capture file, from the reader through decoding, tracking and
 * all parsers. What the stages say they have seen must add up.
 */
#include <stdlib.h>
#include "capture/file_reader.h"
#include "decode/decoder.h"
#include "decode/packet_record.h"
#include "tests/lib/capture_builder.h"
#include "track/flows.h"
#include "track/streams.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t records;

static void on_record(void *context, struct record *record)
{
    (void)context;
    records++;
    record_unref(&record);
}

static void read_frames(struct file_reader *reader, struct decoder *decoder, struct flows *flows)
{
    char message[FILE_READER_MESSAGE_BYTES];
    static struct packet packet;
    int result;

    for (;;) {
        struct frame frame = {0};
        struct record *record;

        result = file_reader_next(reader, &frame, message);
        if (result == 0)
            return;
        if (result < 0)
            continue;
        if (frame.bytes.length > frame.length)
            abort();
        decoder_decode(decoder, &frame, &packet);
        record = packet_record_make(&packet, &(struct packet_record_options){.source = "pcap"});
        record_unref(&record);
        flows_packet(flows, &packet);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct streams_options streams_options = {
        .head_maximum = 4096, .source = "pcap", .on_record = on_record};
    struct flows_options flows_options = {.source = "pcap", .on_record = on_record};
    char message[FILE_READER_MESSAGE_BYTES];
    struct file_reader *reader = NULL;
    struct streams *streams = NULL;
    struct flows *flows = NULL;
    struct decoder *decoder = NULL;

    if (size > 65536 ||
        file_reader_open(capture_builder_path(data, size), NULL, &reader, message) ||
        streams_new(&streams_options, &streams))
        return 0;
    records = 0;
    flows_options.listener = streams_listener(streams);
    if (flows_new(&flows_options, &flows) || decoder_new(&(struct decoder_options){0}, &decoder))
        abort();
    read_frames(reader, decoder, flows);
    flows_flush(flows, 0);
    streams_flush(streams, 0);
    if (records != streams_counters(streams)->handed_on + flows_counters(flows)->handed_on ||
        flows_counters(flows)->open || streams_counters(streams)->connections)
        abort();
    decoder_free(&decoder);
    flows_free(&flows);
    streams_free(&streams);
    file_reader_close(&reader);
    return 0;
}
