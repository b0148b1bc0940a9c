"""Two network namespaces of a test's own and a pair of interfaces between them; gone at the end."""

import os
import shutil
import subprocess
import sys


def ip(*arguments, namespace=None, is_checked=True):
    command = ["ip"] + (["-n", namespace] if namespace else []) + list(map(str, arguments))
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=is_checked).stdout


def promiscuity(interface, namespace):
    """How many keep the interface promiscuous."""
    words = ip("-d", "link", "show", interface, namespace=namespace).split()
    return int(words[words.index("promiscuity") + 1])


def is_possible():
    """Can this host make namespaces and pairs of interfaces?"""
    if not shutil.which("ip") or os.geteuid() != 0:
        return False
    name = f"wtry{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], stderr=subprocess.DEVNULL)
    if made.returncode:
        return False
    pair = subprocess.run(["ip", "link", "add", name, "netns", name, "type", "veth"],
                          stderr=subprocess.DEVNULL)
    ip("netns", "del", name)
    return pair.returncode == 0


class Pair:
    """near (10.99.0.1, fd99::1, interface wnear) and far (10.99.0.2, fd99::2, wfar)."""

    def __init__(self):
        self.near, self.far = f"wn{os.getpid()}", f"wf{os.getpid()}"
        for name in (self.near, self.far):
            ip("netns", "add", name)
            ip("link", "set", "lo", "up", namespace=name)
        ip("link", "add", "wnear", "netns", self.near, "type", "veth", "peer", "name", "wfar",
           "netns", self.far)
        for name, link, number in ((self.near, "wnear", 1), (self.far, "wfar", 2)):
            ip("address", "add", f"10.99.0.{number}/24", "dev", link, namespace=name)
            ip("address", "add", f"fd99::{number}/64", "dev", link, "nodad", namespace=name)
            ip("link", "set", link, "up", namespace=name)

    def run(self, place, code, *arguments, seconds=60):
        """Runs Python code in a namespace; its output."""
        done = subprocess.run(["ip", "netns", "exec", place, sys.executable, "-c", code,
                               *map(str, arguments)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=seconds)
        if done.returncode:
            raise RuntimeError(f"in {place}: {done.stderr[-1500:]}")
        return done.stdout

    def start(self, place, code, *arguments):
        """The same in the background; it prints a line when it is ready."""
        child = subprocess.Popen(["ip", "netns", "exec", place, sys.executable, "-u", "-c", code,
                                  *map(str, arguments)], stdout=subprocess.PIPE, text=True)
        child.stdout.readline()
        return child

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for name in (self.near, self.far):
            ip("netns", "del", name, is_checked=False)
