/*
 * kafka_mock: librdkafka's mock cluster for the live tests: prints where its brokers listen, and
 * lives until its standard input ends.
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>

int main(void)
{
    char message[512];
    rd_kafka_t *client =
        rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), message, sizeof(message));
    rd_kafka_mock_cluster_t *cluster = client ? rd_kafka_mock_cluster_new(client, 2) : NULL;

    if (!cluster) {
        fprintf(stderr, "no cluster: %s\n", message);
        return 1;
    }
    rd_kafka_mock_topic_create(cluster, "orders", 2, 1);
    puts(rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    while (getchar() != EOF)
        ;
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(client);
    return 0;
}
