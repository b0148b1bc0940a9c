"""One run of weir, for smoke.py."""

import json
import os
import signal
import subprocess
import time


class Wrong(Exception):
    """What a run did not fulfil."""


def expect(found, wanted, what):
    if found != wanted:
        raise Wrong(f"{what}: {found!r}, expected {wanted!r}")


def run_weir(weir, arguments, folder, during, output="json"):
    """Runs weir while `during` runs; (records, raw output, messages of weir, during's result)."""
    path, ready = os.path.join(folder, "records"), os.path.join(folder, "ready")
    messages = os.path.join(folder, "messages")
    with open(messages, "wb") as errors:
        child = subprocess.Popen([weir, "run", *arguments, "-o", output, "-w", path,
                                  "--ready-file", ready], stdout=errors, stderr=errors)
    try:
        end = time.monotonic() + 240
        while not os.path.exists(ready):
            if child.poll() is not None or time.monotonic() > end:
                with open(messages) as lines:
                    raise Wrong(f"weir is not ready ({child.poll()}): {lines.read()[-1500:]}")
            time.sleep(0.05)
        result = during()
        child.send_signal(signal.SIGTERM)
        expect(child.wait(90), 0, "exit status of weir")
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    with open(path, "rb") as lines:
        raw = lines.read()
    with open(messages) as lines:
        said = lines.read()
    try:
        records = [json.loads(line) for line in raw.splitlines()]
    except ValueError as problem:
        raise Wrong(f"not JSON: {problem}: {raw[-300:]!r}")
    return records, raw, said, result
