/* librdkafka as a load generator.
 *
 *   rdperf produce|consume|open-loop broker=HOST:PORT topic=NAME [NAME=VALUE]…
 *
 *   rdperf version
 *
 * Prints "begin" where the measured part begins, and one line of JSON at its end: records, seconds and requests of that part,
 * requests since the program began, and latencies in milliseconds.
 */
#include "client.h"
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    if (argc < 2) fail("usage", "produce|consume|open-loop broker=HOST:PORT topic=NAME [NAME=VALUE]…");
    if (!strcmp(argv[1], "version")) return puts(rd_kafka_version_str()) < 0;
    struct arguments given = parse(argc - 2, argv + 2);
    if (!strcmp(argv[1], "produce")) produce(&given);
    else if (!strcmp(argv[1], "consume")) consume(&given);
    else if (!strcmp(argv[1], "open-loop")) open_loop(&given);
    else fail(argv[1], "is none of produce, consume, open-loop");
    return 1;
}
