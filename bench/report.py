#!/usr/bin/python3
"""
Tables from bench/results/http.json.

    bench/report.py            prints the table
    bench/report.py README.md  and puts it between the file's cost:begin and cost:end comments
"""

import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
BEGIN, END = "<!-- cost:begin -->", "<!-- cost:end -->"


def number(value, form="{:.0f}"):
    return "–" if value is None else form.format(value)


def mebibytes(kib):
    return "–" if kib is None else f"{kib / 1024:.1f}"


def table(header, rows):
    """Markdown; the first column is text, the others are numbers."""
    lines = ["| " + " | ".join(header) + " |",
             "|---|" + "---:|" * (len(header) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def comparison(results):
    rows = []
    for one in results["contenders"]:
        lost = number(one["lost"])
        if one["lost_packets"] is not None:
            lost = f"{one['lost_packets']} packets"
        elif one["lost"] and one["lost"] > 0:
            lost = f"{one['lost']} ({100 * one['lost'] / one['served']:.1f} %)"
        rows.append([
            one["title"], number(one["requests_per_second"], "{:,.0f}"),
            number(one["relative"], "{:.2f}"), number(one["p50_us"]), number(one["p99_us"]),
            number(one["tool_cpu_seconds_per_million"], "{:.2f}"),
            number(one["server_added_us"], "{:+.2f}"),
            mebibytes(one["rss_peak_kib"] or one["rss_kib"]), lost])
    return table(["", "requests/s", "relative", "p50 µs", "p99 µs", "tool CPU s / million",
                  "server CPU added s / million", "RSS MiB", "not logged"], rows)


def hook_table(hooks):
    rows = [[f"`{one['name']}`", f"{one['runs_per_request']:.2f}", f"{one['ns_per_run']:.0f}",
             f"{one['ns_per_request']:.0f}", f"{one['net_ns_per_request']:.0f}"]
            for one in hooks["programs"]]
    totals = [sum(one[field] for one in hooks["programs"])
              for field in ("ns_per_request", "net_ns_per_request")]
    rows.append(["all", "", ""] + [f"{total:.0f}" for total in totals])
    return table(["BPF program", "runs / request", "ns / run", "ns / request",
                  "without measuring"], rows)


def targets(results):
    """What was promised and what was measured."""
    by_name = {one["name"]: one for one in results["contenders"]}
    weir, log = by_name.get("weir"), by_name.get("nginx-log")
    if not weir:
        return []
    rows = [["throughput relative to no capture", "≥ 0.90", f"{weir['relative']:.2f}",
             weir["relative"] >= 0.90]]
    if log:
        rows.append(["throughput above nginx's own log", f"> {log['relative']:.2f}",
                     f"{weir['relative']:.2f}", weir["relative"] > log["relative"]])
    user = weir["tool_cpu_seconds_per_million"]
    if results.get("hooks"):
        total = user + sum(
            one["net_ns_per_request"] for one in results["hooks"]["programs"]) / 1000
        rows.append(["CPU per request: hooks + program, µs", "≤ 1.5", f"{total:.2f}",
                     total <= 1.5])
    idle, peak = weir["rss_idle_kib"] / 1024, weir["rss_peak_kib"] / 1024
    rows.append(["RSS idle, MiB", "≤ 20", f"{idle:.1f}", idle <= 20])
    rows.append(["RSS under load, MiB", "≤ 64", f"{peak:.1f}", peak <= 64])
    long_run = results.get("endurance")
    if long_run:
        rows.append([f"lost of {long_run['served']:,} requests", "0",
                     str(long_run["lost"]), long_run["lost"] == 0])
    return [[name, target, found, "yes" if met else "**no**"] for name, target, found, met in rows]


def introduction(results):
    name, settings = results["machine"], results["settings"]
    return (
        f"{name['cpu']}, {name['cores']} cores, {name['memory_gib']} GiB, Linux {name['kernel']}. "
        f"One nginx worker, wrk with {settings['connections']} connections, request heads of "
        f"{settings['request_head_bytes']} bytes and response heads of "
        f"{settings['response_head_bytes']}"
        f"{', no two requests the same' if settings.get('varying') else ''}; "
        f"median of {settings['rounds']} turns of "
        f"{settings['seconds']} s, in turns within one run.")


def markdown(results):
    parts = [introduction(results), comparison(results)]
    if results.get("hooks"):
        empty = results["hooks"]["empty_ns"]
        parts.append("In the kernel, measured by it in a run of its own" + (
            f"; a program that does nothing shows {empty:.0f} ns a run." if empty else "."))
        parts.append(hook_table(results["hooks"]))
    wanted = targets(results)
    if wanted:
        parts.append(table(["target", "", "measured", "met"], wanted))
    return "\n\n".join(parts) + "\n"


def write_results(results, folder, name="http"):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, f"{name}.json"), "w") as out:
        json.dump(results, out, indent=1)
        out.write("\n")
    with open(os.path.join(folder, f"{name}.md"), "w") as out:
        out.write(markdown(results))


def put_between(path, text):
    """Replaces what stands between the two comments; the file must have both."""
    with open(path) as page:
        whole = page.read()
    changed, count = re.subn(
        re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: f"{BEGIN}\n{text}{END}", whole,
        flags=re.S)
    if count != 1:
        sys.exit(f"bench/report.py: {path} needs {BEGIN} and {END} once")
    with open(path, "w") as page:
        page.write(changed)


def main():
    with open(os.path.join(HERE, "results", "http.json")) as stored:
        text = markdown(json.load(stored))
    if len(sys.argv) > 1:
        put_between(sys.argv[1], text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
