/*
 * kafka_mock: a Kafka cluster of librdkafka's own (its mock), on loopback. Prints where it listens,
 * and ends when standard input does. Argument: partitions of topics. Each line of standard input is
 * an order, and answered with "ok":
 *
 *   fail API COUNT CODE...  the next COUNT requests of that kind end with these codes in turn
 *   down, up                all brokers are gone, and there again
 *   slow MILLISECONDS       each answer takes so long
 *   move                    all partitions of weir-http have another leader
 */
#define _GNU_SOURCE
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BROKERS = 3, CODES = 16 };

static int partitions = 1, moved;

/*
 * The library's brokers answer at once, as brokers do: without this an answer may wait 40 ms for
 * the acknowledgement of the one before it, and a loaded machine then takes a few megabytes a
 * second.
 */
int accept(int listener, struct sockaddr *address, socklen_t *length)
{
    int connection = accept4(listener, address, length, 0), one = 1;

    if (connection >= 0)
        setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return connection;
}

static void fail(rd_kafka_mock_cluster_t *cluster, char *words)
{
    int api = atoi(strtok(words, " ")), count = atoi(strtok(NULL, " ")), known = 0;
    rd_kafka_resp_err_t codes[CODES];
    char *word;

    while (known < CODES && (word = strtok(NULL, " ")))
        codes[known++] = (rd_kafka_resp_err_t)atoi(word);
    for (int i = 0; i < count; i++)
        rd_kafka_mock_push_request_errors(cluster, (int16_t)api, 1, codes[i % known]);
}

static void obey(rd_kafka_mock_cluster_t *cluster, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "fail ", 5) == 0)
        fail(cluster, line + 5);
    for (int32_t broker = 1; broker <= BROKERS; broker++) {
        if (strcmp(line, "down") == 0)
            rd_kafka_mock_broker_set_down(cluster, broker);
        else if (strcmp(line, "up") == 0)
            rd_kafka_mock_broker_set_up(cluster, broker);
        else if (strncmp(line, "slow ", 5) == 0)
            rd_kafka_mock_broker_set_rtt(cluster, broker, atoi(line + 5));
    }
    if (strcmp(line, "move") == 0) {
        moved++;
        for (int partition = 0; partition < partitions; partition++)
            rd_kafka_mock_partition_set_leader(cluster, "weir-http", partition,
                                               (partition + moved) % BROKERS + 1);
    }
    puts("ok");
    fflush(stdout);
}

int main(int count, char **arguments)
{
    char message[256], line[256];
    rd_kafka_t *owner =
        rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), message, sizeof(message));
    rd_kafka_mock_cluster_t *cluster = owner ? rd_kafka_mock_cluster_new(owner, BROKERS) : NULL;

    if (!cluster)
        return 1;
    if (count > 1)
        partitions = atoi(arguments[1]);
    rd_kafka_mock_topic_create(cluster, "weir-http", partitions, 1);
    rd_kafka_mock_topic_create(cluster, "weir-other", 1, 1);
    puts(rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin))
        obey(cluster, line);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(owner);
    return 0;
}
