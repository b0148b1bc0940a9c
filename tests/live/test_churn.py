#!/usr/bin/python3
"""10,000 short connections, many at a time: each is logged once, none is missing or invented."""

import sys
import time

from harness import (Weir, check, check_clean_end, check_empty, compile_program, flags, note,
                     require_weir, run_main, temporary_directory)
from harness import servers, traffic
from test_counters import check_pairs, numbers_in, run_numbered

LANES, CONNECTIONS = 20, 500


def names(prefix):
    return {f"{prefix}-{lane}-{number}-0" for lane in range(LANES) for number in range(CONNECTIONS)}


def check_churn(weir, server, prefix):
    records = weir.records(server_port=server.port)
    seen, twice = numbers_in(records)
    wanted = names(prefix)
    check_empty(sorted(wanted - seen), f"{prefix}: none of {len(wanted)} is missing")
    check_empty(twice, f"{prefix}: none is there twice")
    check_empty(sorted(map(str, seen - wanted)), f"{prefix}: none is invented")
    check_pairs(records, prefix)
    check(len({record["connection.id"] for record in records}) == len(wanted),
          f"{prefix}: every connection has an id of its own")
    check_empty([f"{traffic.sequence_of(record)}: {flags(record)}" for record in records
                 if flags(record)], f"{prefix}: no flag without a cause")
    own = {line[0]: (line[1], line[3]) for line in server.wait_for_log(len(wanted))}
    bad = [f"{traffic.sequence_of(record)}: {record['client.port']} {record.get('process.pid')}"
           for record in records if own.get(traffic.sequence_of(record))
           != (record["client.port"], record.get("process.pid"))]
    check_empty(bad, f"{prefix}: ports and processes are those of the access log")
    check_empty([record["id"] for record in records
                 if record.get("peer.process.command") != "numbered"],
                f"{prefix}: the peer is the client")


def main():
    is_dry = "--dry" in sys.argv
    if not is_dry:
        require_weir()
    directory = temporary_directory()
    program = compile_program("numbered")
    started = time.monotonic()
    for prefix, starter in (("nginx", servers.nginx), ("asyncio", servers.python_asyncio)):
        try:
            server = starter(directory)
        except servers.Missing as missing:
            note(f"left out: {missing}")
            continue
        with server:
            weir = None if is_dry else Weir("--port", server.port)
            sent = run_numbered(program, server, prefix, LANES, CONNECTIONS, 1)
            check(sent == LANES * CONNECTIONS, f"{prefix}: {sent} exchanges are done")
            if is_dry:
                note(f"{time.monotonic() - started:.1f} s")
                continue
            check_clean_end(weir)
            check(weir.totals.lost_sum == 0, f"{prefix}: nothing is lost", str(weir.totals))
            check_churn(weir, server, prefix)


if __name__ == "__main__":
    run_main(main)
