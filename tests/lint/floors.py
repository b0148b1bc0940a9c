#!/usr/bin/python3
"""A file includes its own folder and lower floors, as "folder/file.h" (ARCHITECTURE.md §2)."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "lib"))
import lint  # noqa: E402

FLOORS = {"base": 0, "model": 1, "config": 1, "contract": 2, "capture": 3, "decode": 3, "track": 3,
          "parse": 3, "refine": 3, "metadata": 3, "encode": 3, "sink": 4, "serve": 4, "agent": 5}
# Option values are nouns of the model (addresses, networks), so config/ stands on model/.
ALSO = {"config": {"model"}}
# A third-party header stays where it is put to use.
THIRD_PARTY = {"bpf/": ("src/capture/",), "pcre2.h": ("src/model/",),
               "yaml.h": ("src/config/",), "jansson.h": ("src/serve/", "src/metadata/"),
               "microhttpd.h": ("src/serve/",),
               "openssl/": ("src/refine/", "src/capture/",  # both make the same digests
                            "src/parse/",  # fingerprints, Initial packets of QUIC
                            "src/sink/"),  # TLS to receivers
               "zlib.h": ("src/capture/",), "libdeflate.h": ("src/sink/",),
               "zstd": ("src/capture/", "src/sink/"),  # old files; bodies of requests
               "curl/": ("src/sink/", "src/metadata/"), "librdkafka/": ("src/sink/",)}
STANDARD = set("""
    assert ctype dirent elf emmintrin endian err errno fcntl fnmatch getopt grp immintrin
    ifaddrs inttypes libgen limits locale malloc math netdb poll pthread pwd regex
    sched signal stdarg stdatomic stdbool stddef stdint stdio stdlib string strings
    syslog termios threads time unistd wchar""".split())
STANDARD_FOLDERS = ("sys/", "linux/", "netinet/", "arpa/", "net/", "asm/")
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)


def check_user_space(path, header):
    """What is wrong with a quoted include of src/; None: nothing."""
    folder, floor = path.parts[1], FLOORS.get(path.parts[1])
    if floor is None:
        return f"src/{folder} is no floor of ARCHITECTURE.md §2"
    if header == "weir.skel.h" or header.startswith("shared/"):
        return None if folder == "capture" else "only src/capture includes the skeleton and shared/"
    if "/" not in header:
        return 'write it as "folder/file.h"'
    target = header.split("/")[0]
    if target not in FLOORS:
        return f"{target}/ is no folder of src/"
    if header.endswith(".def") or target == folder or target in ALSO.get(folder, ()):
        return None
    if FLOORS[target] == floor:
        return f"{folder}/ and {target}/ are siblings"
    if FLOORS[target] > floor:
        return f"{target}/ (floor {FLOORS[target]}) is above {folder}/ (floor {floor})"
    return None


def check_system(path, header):
    """What is wrong with an include in angle brackets."""
    for prefix, homes in THIRD_PARTY.items():
        if header.startswith(prefix):
            return None if str(path).startswith(homes) else f"<{header}> stays in {homes}"
    name = header.removesuffix(".h")
    if name in STANDARD or header.startswith(STANDARD_FOLDERS):
        return None
    return f"<{header}> is neither standard nor known to tests/lint/floors.py"


def check_kernel(path, kind, header):
    """bpf/ includes shared/ and itself, shared/ nothing but types."""
    if path.parts[0] == "shared":
        if header.startswith("shared/") or header in ("linux/types.h", "stdint.h", "vmlinux.h"):
            return None
        return "shared/ includes types only"
    if kind == "<":
        return None if header.startswith("bpf/bpf_") else "of the system, bpf/ takes <bpf/bpf_*.h>"
    if header.startswith(("bpf/", "shared/")) or "/" not in header:
        return None
    return "bpf/ includes shared/ and itself"


def floors(path, text):
    for match in INCLUDE.finditer(re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m[0]), text,
                                         flags=re.DOTALL)):
        if path.parts[0] != "src":
            message = check_kernel(path, match[1], match[2])
        elif match[1] == "<":
            message = check_system(path, match[2])
        else:
            message = check_user_space(path, match[2])
        if message:
            yield text.count("\n", 0, match.start()) + 1, f"{match[2]}: {message}"


BAD = [
    ("src/base/a.c", '#include "model/record.h"\n'),
    ("src/parse/a.c", '#include "track/connection.h"\n'),
    ("src/parse/a.c", '#include "shared/event.h"\n'),
    ("src/parse/a.c", '#include "http1.h"\n'),
    ("src/parse/a.c", "#include <bpf/libbpf.h>\n"),
    ("src/sink/a.c", "#include <sqlite3.h>\n"),
    ("bpf/a.h", '#include "model/record.h"\n'),
    ("bpf/a.h", "#include <stdio.h>\n"),
    ("shared/a.h", "#include <stdio.h>\n"),
    ("src/nowhere/a.c", '#include "base/slice.h"\n'),
]
GOOD = [
    ("src/agent/a.c", '#include <stdio.h>\n#include "capture/capture.h"\n'),
    ("src/contract/a.h", '#include "parse/parsers.def"\n'),
    ("src/capture/a.c", '#include "weir.skel.h"\n#include <bpf/libbpf.h>\n'),
    ("bpf/hooks/a.bpf.c", '#include "bpf/emit.h"\n#include "shared/event.h"\n'),
]

lint.run("floors", [(floors, BAD, GOOD)], lint.files(".c", ".h", under=("src", "bpf", "shared")))
