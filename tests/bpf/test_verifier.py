#!/usr/bin/python3
"""
How much work each program is to the verifier. It gives up at one million instructions walked; what
is near that on this kernel is beyond it on another, so 80 % of it fails. Prints the counts.
And a packet socket takes filters of 20 KiB at most where net.core.optmem_max is as before 6.7.
"""

import sys

import programs

LIMIT = 1_000_000
SHARE = 0.8
SOCKET_FILTERS, SOCKET_BYTES = ("weir_packet_socket", "weir_packet_socket_ip"), 20480 - 128


def main():
    weir = programs.require()
    failed, measured = False, 0
    for rung in programs.RUNGS + programs.UNIX + programs.PACKETS:
        try:
            with programs.Weir(weir, rung) as running:
                counts = running.verified_instructions()
                known = programs.listed("prog")
        except programs.Refused as reason:
            print(f"{rung}: not on this kernel: {reason}")
            continue
        names = [known.get(number, {}).get("name", "") for number in counts]
        if rung in programs.UNIX and names and not any("unix" in name for name in names):
            failed = True
            print(f"{rung}: NO PROGRAM FOR UNIX SOCKETS")
        for number, count in sorted(counts.items(), key=lambda one: -one[1]):
            program = known.get(number, {})
            verdict = "ok"
            if count > SHARE * LIMIT:
                failed, verdict = True, f"MORE THAN {SHARE:.0%} OF THE LIMIT"
            if program.get("name") in SOCKET_FILTERS \
                    and program.get("bytes_xlated", 0) > SOCKET_BYTES:
                failed, verdict = True, "TOO LONG FOR A PACKET SOCKET"
            print(f"{rung}: {program.get('name', number)}: {count} instructions verified, "
                  f"{program.get('bytes_xlated', 0) // 8} long: {verdict}")
            measured += 1
    if not measured:
        programs.skip("no rung of the ladder works here, or the kernel does not tell (5.16 does)")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
