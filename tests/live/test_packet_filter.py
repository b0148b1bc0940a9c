#!/usr/bin/python3
"""What the filter says of packets is decided in the kernel, and changes while the hooks run.

TIMEOUT: 200
Numbered datagrams go on all the time while SIGHUP changes the filter, in each of its dimensions:
none of those that every filter takes is missing or told twice, what a filter refuses does not come
up, and the programs and links stay the same.
"""

import json
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import harness  # noqa: E402
import namespaces  # noqa: E402
import traffic  # noqa: E402
from harness import check, check_empty, note, skip  # noqa: E402

# Sends datagrams of growing length to the first port until it is killed, one a millisecond, and
# for each a datagram to the second port.
STREAM = """
import os, socket, sys, time
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print("ready")
for number in range(1, 20000):
    for port in sys.argv[2:4]:
        one.sendto(number.to_bytes(4, "big") + bytes(number % 1000), (sys.argv[1], int(port)))
    with open(sys.argv[4] + ".new", "w") as file: file.write(str(number))
    os.replace(sys.argv[4] + ".new", sys.argv[4])
    time.sleep(0.001)
"""
PING = "import os, sys; os.system(f'ping -c 3 -i 0.2 {sys.argv[1]} > /dev/null')"
ALWAYS, OTHER = 7100, 7101

# Each takes the datagrams to ALWAYS; the second tells whether it takes those to OTHER.
FILTERS = [
    (f"destination.port == {ALWAYS}", False),
    (f'source.address == "10.99.0.1" and destination.port in ({ALWAYS}, {OTHER})', True),
    (f'(source.address == "10.99.0.2/32" or destination.address == "10.99.0.2/32") and '
     f'(destination.port == {ALWAYS} or source.port == {ALWAYS})', False),
    ('destination.address in ("10.99.0.0/30", "fd99::/64") and network.transport in (udp, icmp)',
     True),
    (f'network.transport == udp and destination.port == {ALWAYS}', False),
    ("address: [192.0.2.0/24, 10.99.0.2]", True),  # either end, of any packet
]


def setting_of(filter_text):
    return f"{filter_text}\n" if filter_text.startswith("address:") \
        else f"filter: {json.dumps(filter_text)}\n"


def attached(weir):
    """The links that weir holds, with their programs."""
    found = set()
    for path in Path(f"/proc/{weir.process.pid}/fdinfo").iterdir():
        try:
            lines = dict(line.split(":\t", 1) for line in path.read_text().splitlines()
                         if ":\t" in line)
        except OSError:
            continue
        if "link_id" in lines:
            found.add((lines["link_id"], lines["prog_id"]))
    return found


def start(pair, filter_text, file, *arguments):
    file.write_text(setting_of(filter_text))
    return harness.Weir("--config", file, "--packets=wnear", "--netns", pair.near, "--rung",
                        "none", "--packet-records", "--statistics-interval", "1h", *arguments)


def renew(weir, file, filter_text):
    before = weir.stderr().count("read again")
    file.write_text(setting_of(filter_text))
    weir.process.send_signal(signal.SIGHUP)
    return traffic.wait_until(lambda: weir.stderr().count("read again") > before)


def sent_so_far(path):
    text = path.read_text() if path.exists() else ""
    return int(text) if text else 0


def go_on(path, count):
    """Waits until so many more have been sent."""
    goal = sent_so_far(path) + count
    return traffic.wait_until(lambda: sent_so_far(path) >= goal)


def lengths_to(weir, port):
    """The length of each datagram to this port, in the order of the records."""
    return [one["packet.payload_length"] for one in weir.records("packet")
            if one.get("destination.port") == port]


def check_change(pair):
    folder = harness.temporary_directory()
    file, numbers = folder / "weir.yaml", folder / "numbers"
    weir = start(pair, FILTERS[0][0], file)
    links = attached(weir)
    check(len(links) >= 2, "links with programs are held", str(links))
    sender = pair.start(pair.near, STREAM, "10.99.0.2", ALWAYS, OTHER, numbers)
    changes, is_told = [], True
    for turn in range(2 * len(FILTERS)):
        go_on(numbers, 40)
        first = sent_so_far(numbers)  # what waits to be read is decided by what holds then
        traffic.wait_until(lambda last=first: len(lengths_to(weir, ALWAYS)) >= last)
        text, takes_other = FILTERS[(turn + 1) % len(FILTERS)]
        is_told &= renew(weir, file, text)
        changes.append((first, sent_so_far(numbers), takes_other))
    go_on(numbers, 40)
    check(attached(weir) == links, "the same links and programs after a dozen changes",
          f"{links} {attached(weir)}")
    sender.kill()
    sender.wait()
    last = sent_so_far(numbers)
    traffic.wait_until(lambda: len(lengths_to(weir, ALWAYS)) >= last)
    check(weir.stop() == 0 and weir.totals.is_identity, f"change: {weir.totals}",
          weir.stderr()[-800:])
    check(is_told, "each change is told")
    always = lengths_to(weir, ALWAYS)
    wanted = [4 + number % 1000 for number in range(1, len(always) + 1)]
    check(len(always) >= last and always == wanted,
          f"each of {last} datagrams has one record, in order",
          str([pair for pair in zip(always, wanted) if pair[0] != pair[1]][:5]))
    check_other(weir, changes, last)
    check(not weir.totals.lost_sum, "nothing is lost", str(weir.totals))
    refused = int(weir.stderr().split("of them ")[1].split()[0])
    check(refused >= last // 4 and weir.totals.filtered < refused,
          f"refused in the kernel: {refused}; in user space: {weir.totals.filtered}")


def check_other(weir, changes, last):
    """Between two changes the datagrams to the other port are all there, or none is."""
    if last >= 1000:  # lengths come again
        note(f"left out: {last} datagrams are too many to tell apart")
        return
    told = {}
    for length in lengths_to(weir, OTHER):
        told[length] = told.get(length, 0) + 1
    wrong, spans = [], zip(changes, changes[1:] + [(last, last, None)])
    for (_, begin, takes_other), (end, _, _) in spans:
        for number in range(begin + 2, min(end, last)):
            count = told.get(4 + number % 1000, 0)
            if bool(count) != takes_other:
                wrong.append(f"{number}: {count}, {takes_other}")
    check_empty(wrong, f"what {len(changes)} changes say holds from then on")


HOOKS = {"auto": 2, "clsact": 2, "socket": 2, "xdp-generic": 1}  # and directions that they see


def visit(pair, weirs):
    """Twenty connections, of each of which a packet of each direction is wanted."""
    before = {hook: len(weir.records("packet")) for hook, weir in weirs.items()}
    listener = pair.start(pair.far, SERVE, "10.99.0.2")
    pair.run(pair.near, VISIT, "10.99.0.2", 7102)
    listener.wait()
    for hook, weir in weirs.items():
        count = before[hook] + 20 * HOOKS[hook]
        traffic.wait_until(lambda one=weir, last=count: len(one.records("packet")) >= last)


def check_flags(pair):
    """In the kernel, at each kind of hook, and changed there while they all run."""
    folder = harness.temporary_directory()
    files = {hook: folder / f"{hook}.yaml" for hook in HOOKS}
    weirs = {hook: start(pair, "tcp.flags in (syn, rst)", files[hook], "--packet-hook", hook,
                         "--packet-promiscuous") for hook in HOOKS}
    keepers = namespaces.promiscuity("wnear", pair.near)
    check(keepers == len(HOOKS), "--packet-promiscuous: an interface at each hook", keepers)
    visit(pair, weirs)
    is_told = all([renew(weir, files[hook], "tcp.flags == fin") for hook, weir in weirs.items()])
    check(is_told, "flags: each change is told")
    visit(pair, weirs)
    for hook, weir in weirs.items():
        check(weir.stop() == 0 and weir.totals.is_identity, f"flags, {hook}: {weir.totals}",
              weir.stderr()[-800:])
        check(hook == "auto" or f"hook {hook}" in weir.stderr(), f"flags: hook {hook}",
              weir.stderr()[-800:])
        found = [tuple(one["tcp.flags"]) for one in weir.records("packet")]
        count = 20 * HOOKS[hook]
        first = [one for one in found if "fin" not in one]  # one more if a SYN is sent again
        then = found[len(first):]
        check(len(first) >= count
              and set(first) == {("syn",), ("syn", "ack")} - ({("syn",)} if count == 20 else set()),
              f"TCP flags, {hook}: only packets that have them", str(sorted(first))[:300])
        check(len(then) >= count and all("fin" in one for one in then),
              f"TCP flags, {hook}: others after a change", str(then)[:300])
        check(weir.totals.filtered <= 50, f"flags, {hook}: the others do not come up",
              str(weir.totals))
    keepers = namespaces.promiscuity("wnear", pair.near)
    check(keepers == 0, "--packet-promiscuous: only as long as they look", keepers)


SERVE = """
import socket, sys
listener = socket.create_server((sys.argv[1], 7102))
print("ready")
for number in range(20):
    other, _ = listener.accept()
    other.recv(1)
    other.recv(1)
    other.close()
"""
VISIT = """
import socket, sys
for number in range(20):
    one = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    one.sendall(b"x")
    one.shutdown(socket.SHUT_WR)
    one.recv(1)
"""


def check_icmp(pair):
    """A flow of ICMP has its type, and the Community ID that its packets have."""
    file = harness.temporary_directory() / "weir.yaml"
    weir = start(pair, "network.transport == icmp", file)
    pair.run(pair.near, PING, "10.99.0.2")
    traffic.wait_until(lambda: len(weir.records("packet")) >= 6)
    check(weir.stop() == 0, "icmp: weir ends with status 0", weir.stderr()[-500:])
    flows, records = weir.records("connection"), weir.records("packet")
    check(len(flows) == 1 and flows[0].get("icmp.type") == 8, "ICMP: a flow with its type",
          str(flows)[:600])
    check(len(records) == 6 and {one.get("connection.id") for one in records + flows}
          == {flows[0]["connection.id"]}, "its packets have its connection.id",
          str([one.get("connection.id") for one in records]))
    wanted = "1:" + community_id("10.99.0.1", "10.99.0.2", 1, 8, 0)
    check(flows[0]["network.community_id"] == wanted,
          "its Community ID is that of the specification", flows[0]["network.community_id"])


def community_id(source, destination, protocol, one, other):
    import base64
    import hashlib
    import ipaddress
    ends = sorted([(ipaddress.ip_address(source).packed, one),
                   (ipaddress.ip_address(destination).packed, other)])
    text = (b"\0\0" + ends[0][0] + ends[1][0] + bytes([protocol, 0])
            + ends[0][1].to_bytes(2, "big") + ends[1][1].to_bytes(2, "big"))
    return base64.b64encode(hashlib.sha1(text).digest()).decode()


def main():
    harness.require_weir()
    if not namespaces.is_possible():
        skip("needs ip (iproute2), and the right to make network namespaces")
    with namespaces.Pair() as pair:
        check_change(pair)
        check_flags(pair)
        if os.system("command -v ping > /dev/null") == 0:
            check_icmp(pair)
        else:
            note("no ping here")


harness.run_main(main)
