#!/usr/bin/python3
"""
How much stack each program and what it calls need together. Kernels before 6.13 have 512 bytes for
all functions of a chain of calls, each rounded up to 32, and take eight of them at most; what this
machine's kernel takes, those may refuse. Reads the object (RFC 9669): the deepest place below r10
that an instruction names, and the calls. Root and the kernel are not needed.
"""

import os
import re
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT, FRAME, CALLS = 512, 32, 8
CLASS_LDX, CLASS_ST, CLASS_STX = 1, 2, 3
ADD_CONSTANT, MOVE, CALL, LOAD_WIDE = 0x07, 0xbf, 0x85, 0x18
SECTION_SYMBOL, FUNCTION, CALL_OF_FUNCTION = 3, 2, 1
STACK_POINTER = 10
TAIL_CALL = 12  # a helper's number, linux/bpf.h


class Object:
    """The sections, functions and relocations of an ELF file of BPF programs."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = file.read()
        at, = struct.unpack_from("<Q", self.bytes, 0x28)
        count, names = struct.unpack_from("<HH", self.bytes, 0x3c)
        heads = [struct.unpack_from("<IIQQQQIIQQ", self.bytes, at + 64 * i) for i in range(count)]
        self.sections = [(self.text(heads[names][4] + head[0]), head) for head in heads]
        self.symbols = []
        self.calls = {}  # (section, offset) -> (symbol, kind)
        for _, head in self.sections:
            if head[1] == 2:  # SHT_SYMTAB
                self.symbols = [self.symbol(head[4] + 24 * i, heads[head[6]][4])
                                for i in range(head[5] // 24)]
        for _, head in self.sections:
            if head[1] == 9:  # SHT_REL
                for i in range(head[5] // 16):
                    offset, info = struct.unpack_from("<QQ", self.bytes, head[4] + 16 * i)
                    self.calls[(head[7], offset)] = self.symbols[info >> 32]
        self.functions = {(one["section"], one["value"]): one for one in self.symbols
                          if one["kind"] == FUNCTION}

    def text(self, at):
        return self.bytes[at:self.bytes.index(b"\0", at)].decode()

    def symbol(self, at, names):
        name, info, _, section, value, size = struct.unpack_from("<IBBHQQ", self.bytes, at)
        return {"name": self.text(names + name), "kind": info & 15, "section": section,
                "value": value, "size": size}

    def instructions(self, function):
        """(offset in the section, code, destination, source, offset, constant) of each."""
        start = self.sections[function["section"]][1][4]
        for at in range(function["value"], function["value"] + function["size"], 8):
            code, registers, offset, constant = struct.unpack_from("<BBhi", self.bytes, start + at)
            yield at, code, registers & 15, registers >> 4, offset, constant

    def called(self, function, at, constant):
        """The function that the call at this place is of; None: it is one of the kernel's."""
        symbol = self.calls.get((function["section"], at))
        if symbol is None:
            place = (function["section"], at + 8 * (constant + 1))
        elif not symbol["section"]:
            return None
        elif symbol["kind"] == SECTION_SYMBOL:
            place = (symbol["section"], symbol["value"] + 8 * (constant + 1))
        else:
            place = (symbol["section"], symbol["value"])
        return self.functions[place]

    def needs(self, function):
        """The function's own stack in bytes, and what it calls."""
        depth, copied, calls = 0, None, {}
        for at, code, to, source, offset, constant in self.instructions(function):
            kind = code & 7
            if (kind == CLASS_LDX and source == STACK_POINTER) or (
                    kind in (CLASS_ST, CLASS_STX) and to == STACK_POINTER):
                depth = max(depth, -offset)
            if code == ADD_CONSTANT and to == copied:
                depth = max(depth, -constant)
            copied = to if code == MOVE and source == STACK_POINTER else None
            if code == CALL and source == CALL_OF_FUNCTION:
                other = self.called(function, at, constant)
                if other:
                    calls[other["name"]] = other
        return depth, list(calls.values())


def deepest(image, function, known):
    """(bytes together, number of functions, names with their bytes) of the deepest chain."""
    name = function["name"]
    if name not in known:
        depth, calls = image.needs(function)
        below = [deepest(image, one, known) for one in calls]
        frame = max(FRAME, -(-depth // FRAME) * FRAME)
        total, _, names = max(below, default=(0, 0, []))
        longest = max((one[1] for one in below), default=0)
        known[name] = (frame + total, longest + 1, [f"{name} {depth}", *names])
    return known[name]


def all_on_own_stack(image, programs):
    """Those at uprobes have a tail call, which keeps them off stacks that tasks of a CPU share."""
    probes = [one for one in programs
              if re.match(r"u(ret)?probe", image.sections[one["section"]][0])]
    shared = [one["name"] for one in probes
              if not any(code == CALL and source == 0 and constant == TAIL_CALL
                         for _, code, _, source, _, constant in image.instructions(one))]
    if shared or not probes:
        print(f"{len(probes)} programs at uprobes; without a tail call: {', '.join(shared)}")
    return bool(probes) and not shared


def main():
    weir = os.environ.get("WEIR", os.path.join(HERE, "../../build/weir"))
    path = os.environ.get("WEIR_BPF_OBJECT", os.path.join(os.path.dirname(weir), "weir.bpf.o"))
    if not os.access(path, os.R_OK):
        print(f"SKIP: {path} is not built")
        sys.exit(77)
    image, known, failed, most = Object(path), {}, False, (0, 0, [])
    programs = [one for one in image.functions.values()
                if re.match(r"(fentry|fexit|tp_btf|u(ret)?probe|tc|xdp|socket|iter)",
                            image.sections[one["section"]][0])]
    for program in programs:
        found = deepest(image, program, known)
        most = max(most, found)
        if found[0] > LIMIT or found[1] > CALLS:
            print(f"{program['name']}: {found[0]} bytes of stack (limit {LIMIT}), {found[1]} "
                  f"functions deep (limit {CALLS}): {' > '.join(found[2])}")
            failed = True
    failed |= not all_on_own_stack(image, programs)
    print(f"{len(programs)} programs; the most: {most[0]} bytes, {' > '.join(most[2])}")
    if not programs or most[0] < 100:
        print("the object was not understood")
        failed = True
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
