/*
 * kafka_mock: a Kafka cluster of librdkafka's own (its mock), on loopback. Prints where it listens,
 * and ends when standard input does. Argument: partitions of topics.
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments)
{
    char message[256];
    rd_kafka_t *owner =
        rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), message, sizeof(message));
    rd_kafka_mock_cluster_t *cluster = owner ? rd_kafka_mock_cluster_new(owner, 3) : NULL;

    if (!cluster)
        return 1;
    rd_kafka_mock_topic_create(cluster, "weir-http", count > 1 ? atoi(arguments[1]) : 1, 1);
    rd_kafka_mock_topic_create(cluster, "weir-other", 1, 1);
    puts(rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    for (int byte; (byte = getchar()) != EOF;)
        if (byte == 'f') { /* the next requests to produce fail */
            rd_kafka_mock_push_request_errors(cluster, 0, 3, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                                              RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                              RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
            puts("ok");
            fflush(stdout);
        }
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(owner);
    return 0;
}
