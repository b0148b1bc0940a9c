/* conversations_redis: what a client and a Redis server say, for the tests over all parsers. */
#include "tests/lib/conversations_db.h"

const struct feeder_step conversation_redis_plain[] = {
    {'>', "*3\r\n$3\r\nSET\r\n$5\r\nmykey\r\n$11\r\nhello world\r\n", 0},
    {'<', "+OK\r\n", 0},
    {'>', "*2\r\n$3\r\nGET\r\n$5\r\nmykey\r\n*2\r\n$4\r\nINCR\r\n$5\r\nmykey\r\n", 0},
    {'<', "$11\r\nhello world\r\n-ERR value is not an integer or out of range\r\n", 0},
    {'>',
     "*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*0\r\n*1\r\n$4\r\nEXEC\r\n"
     "PING\r\nSET 'a b' \"c\\\"d\"\r\n\r\n",
     0},
    {'<', "+OK\r\n+QUEUED\r\n*1\r\n:1\r\n+PONG\r\n+OK\r\n", 0},
    {'>', "*2\r\n$6\r\nSELECT\r\n$1\r\n7\r\n*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$1\r\nx\r\n", 0},
    {'<', "+OK\r\n+OK\r\n", 0},
    {'>', "*3\r\n$6\r\nLRANGE\r\n$1\r\nl\r\n$2\r\n\xff\n\r\n", 0},
    {'<', "*3\r\n$1\r\na\r\n$-1\r\n*2\r\n:1\r\n*-1\r\n", 0},
    {0, NULL, 0},
};

const struct feeder_step conversation_redis_pushes[] = {
    {'>', "*6\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$1\r\np\r\n$1\r\nx\r\n", 0},
    {'<', "%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n+proto\r\n:3\r\n", 0},
    {'>', "*3\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n$1\r\nb\r\n*1\r\n$4\r\nPING\r\n", 0},
    {'<',
     ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n"
     ">3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n|1\r\n+ttl\r\n:3600\r\n+PONG\r\n",
     0},
    {'>', "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n", 0},
    {'<', "$?\r\n;4\r\nabcd\r\n;1\r\ne\r\n;0\r\n>2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n", 0},
    {'>', "*1\r\n$4\r\nPING\r\n*2\r\n$8\r\nSMEMBERS\r\n$1\r\ns\r\n", 0},
    {'<', "*?\r\n$1\r\na\r\n#t\r\n,1.5\r\n(123456789012345678901234567890\r\n_\r\n.\r\n", 0},
    {'>', "*2\r\n$3\r\nGET\r\n$3\r\ncut", 0},
    {'<', "!21\r\nSYNTAX invalid syntax\r\n", 0},
    {'}', NULL, 0},
    {'{', NULL, 0},
    {0, NULL, 0},
};
