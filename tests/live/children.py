"""Processes that are both ends of a few exchanges, once they are told to begin."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from play import Stage
sys.stdin.readline()
stage = Stage()
for number in range(3):
    play = stage.open()
    play.c(b"GET /child/%d HTTP/1.1\\r\\nHost: child.test\\r\\n\\r\\n" % number)
    play.s(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")
    play.close()
print(stage.port)
"""


def start_child():
    """Waits to be told: until then it can be put into a control group."""
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(Path(__file__).parent)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def finish_child(child):
    """Tells it to begin; the server's port of its three exchanges, when they are done."""
    return int(child.communicate(b"\n")[0])
