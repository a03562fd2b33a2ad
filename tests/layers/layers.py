#!/usr/bin/env python3
"""Checks what the compiler does not: that dependencies point one way, that no source file is forgotten by the build, that
what the README tells people to type exists.  layers.py [--format] [ROOT]: prints violations, status 1 if there are any;
--format checks the formatting instead (status 77, a skip, where clang-format-14 is missing)."""

import os
import re
import shutil
import subprocess
import sys

# The folders of ours that a folder may include besides itself: those that stand above it in the top CMakeLists.txt.
MAY_INCLUDE = {
    "bpf": (),
    "common": (),
    "telemetry": ("common", "bpf/abi"),
    "document": ("common",),
    "agent": ("common", "telemetry", "document", "bpf/abi"),
    "coordinator": ("common", "telemetry", "document", "bpf/abi"),
    "cli": ("common", "telemetry", "document", "agent", "coordinator", "bpf/abi"),
    "eval": ("common", "telemetry", "coordinator"),
}
SOURCE_FOLDERS = tuple(MAY_INCLUDE) + ("tests",)

# Logic without I/O: a test can own all that it depends on.
PURE = ("agent/protocol/", "agent/tap/stream", "agent/noise/noise.", "agent/noise/check.", "agent/noise/engine.", "coordinator/judge/", "coordinator/capacity/", "coordinator/forecast/", "coordinator/detect/", "telemetry/histogram", "document/",
        "common/")
IO_LIBRARIES = re.compile(r"^(bpf/(bpf|libbpf|btf)\.h|boost/asio|grpc|sqlite3\.h|netlink/)")

# Where generated code may be seen: conversion happens there and typed values go on.
SKELETON = re.compile(r"^bpf/.*\.skel\.h$")
SKELETON_EDGES = ("agent/probe/", "agent/noise/packets.",  # owner of the programs that touch packets, apart from those that watch
                  "agent/egress/guard.",  # owner of those that refuse: they outlive the agent, as the others must not
                  "tests/bench/")  # a bench has programs of its own to compare with
PROTOBUF = re.compile(r"^(gnomon/v1/.*\.pb\.h|google/protobuf/|grpc)")
PROTOBUF_EDGES = ("telemetry/wire", "document/", "agent/link/", "agent/main.", "agent/app.", "coordinator/api/",
                  "coordinator/ingest/", "coordinator/store/", "coordinator/session/", "coordinator/app.",
                  "coordinator/main.", "cli/")
KERNEL_ONLY = re.compile(r"^bpf/(lib|kernel|programs)/")

MAIN_LINES = 100
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', re.MULTILINE)


def source_files(root, suffixes=(".h", ".cpp", ".c")):
    for folder in SOURCE_FOLDERS:
        for parent, _, names in os.walk(os.path.join(root, folder)):
            for name in sorted(names):
                if name.endswith(suffixes):
                    yield os.path.relpath(os.path.join(parent, name), root)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def folder_of(include):
    """The top folder of ours that an include names; None for everybody else's headers (bpf/bpf.h is libbpf's)."""
    top = include.split("/")[0]
    if top == "bpf":
        return "bpf" if re.match(r"bpf/(abi|lib|kernel|programs)/", include) else None
    return top if "/" in include and top in MAY_INCLUDE else None


def include_violation(path, include):
    """Why `path` may not include `include`; None if it may."""
    top = path.split("/")[0]
    if SKELETON.match(include) and not path.startswith(SKELETON_EDGES):
        return "only the owners of programs (agent/probe, agent/noise/packets, agent/egress/guard) and tests/bench include a skeleton"
    if top == "tests":
        return None
    if top == "bpf":
        if path.startswith("bpf/abi/") and (folder_of(include) not in (None, "bpf") or KERNEL_ONLY.match(include)):
            return "bpf/abi is shared with the kernel and includes nothing of ours"
        return None
    if path.startswith(PURE) and IO_LIBRARIES.match(include):
        return "pure logic does no I/O: no libbpf, Asio, gRPC, SQLite or netlink"
    if PROTOBUF.match(include) and not path.startswith(PROTOBUF_EDGES):
        return "protobuf and gRPC types stop at the edges"
    if KERNEL_ONLY.match(include):
        return "user space includes bpf/abi and nothing else of the kernel side"
    target = folder_of(include)
    if target is None or target == top:
        return None
    if not include.startswith(tuple(folder + "/" for folder in MAY_INCLUDE[top])):
        return f"{top} may include of ours: {', '.join(MAY_INCLUDE[top]) or 'nothing'}"
    return None


def include_violations(root):
    for path in source_files(root):
        for include in INCLUDE.findall(read(root, path)):
            reason = include_violation(path, include)
            if reason:
                yield f'{path}: includes "{include}": {reason}'


def long_mains(root):
    for path in source_files(root, (".cpp", ".c")):
        if os.path.basename(path) in ("main.cpp", "main.c") and not path.startswith("tests/"):
            lines = read(root, path).count("\n")
            if lines >= MAIN_LINES:
                yield f"{path}: {lines} lines; a main only wires things together, in fewer than {MAIN_LINES}"


def forgotten_sources(root):
    """Source files that no CMakeLists.txt in their folder, or above it, names: they would never be compiled or run."""
    for path in source_files(root, (".cpp", ".c")):
        folder, named, fuzz = os.path.dirname(path), False, re.search(r"(\w+)_fuzz\.cpp$", path)
        while folder and not named:
            cmake = os.path.join(folder, "CMakeLists.txt")
            if os.path.exists(os.path.join(root, cmake)):
                named = re.search(r"(^|[\s(/\"])" + re.escape(os.path.basename(path)) + r"($|[\s)\"])", read(root, cmake),
                                  re.MULTILINE) is not None
                # A fuzz target goes by its name alone.
                named = named or (fuzz and f"gnomon_fuzz({fuzz.group(1)} " in read(root, cmake))
            folder = os.path.dirname(folder)
        if not named:
            yield f"{path}: no CMakeLists.txt names it"


def forgotten_cases(root):
    """Cases of tests/e2e that its CMakeLists.txt does not register."""
    folder = os.path.join(root, "tests", "e2e")
    if not os.path.isdir(folder):
        return
    registered = read(root, "tests/e2e/CMakeLists.txt")
    for name in sorted(os.listdir(folder)):
        if not name.endswith("_test.py"):
            continue
        for match in re.finditer(r"^class (\w+)\(.*?(?=^class |\Z)", read(folder, name), re.MULTILINE | re.DOTALL):
            for case in re.findall(r"^    def (test_\w+)\(", match.group(0), re.MULTILINE):
                full = f"{name[:-3]}.{match.group(1)}.{case}"
                if not re.search(r"(^|\s)" + re.escape(full) + r"($|[\s)])", registered):
                    yield f"tests/e2e/{name}: tests/e2e/CMakeLists.txt does not register {full}"


def program_names(root):
    names = set()
    for parent, folders, files in os.walk(root):
        folders[:] = [f for f in folders if not f.startswith((".", "build"))]
        if "CMakeLists.txt" in files:
            text = read(parent, "CMakeLists.txt")
            names.update(re.findall(r"(?:gnomon_program|add_executable)\(\s*([\w-]+)", text))
    return names


def missing_readme_paths(root):
    if not os.path.exists(os.path.join(root, "README.md")):
        return
    text = read(root, "README.md")
    paths = set(re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text))
    for block in re.findall(r"^```.*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL) + re.findall(r"`([^`\n]+)`", text):
        paths.update(re.findall(r"(?:^|[\s=])(?:\./)?((?:build/bin|scripts|examples|docs|tests|deploy)/[\w./-]+)", block))
    programs = program_names(root)
    for path in sorted(paths):
        path = path.rstrip("./")
        if path.startswith("build/bin/"):
            if os.path.basename(path) not in programs:
                yield f"README.md: {path}: no program of that name is built"
        elif not os.path.exists(os.path.join(root, path)):
            yield f"README.md: {path} does not exist"


def violations(root):
    for check in (include_violations, long_mains, forgotten_sources, forgotten_cases, missing_readme_paths):
        yield from check(root)


def check_format(root):
    program = shutil.which("clang-format-14")
    if not program:
        print("SKIP: clang-format-14 is not installed")
        return 77
    # bpf/ is written in the kernel's own style, which .clang-format does not describe.
    files = [path for path in source_files(root, (".h", ".cpp")) if not path.startswith("bpf/")]
    return subprocess.run([program, "--dry-run", "-Werror", *files], cwd=root, check=False).returncode


def main(arguments):
    root = next((a for a in arguments if not a.startswith("--")),
                os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    if "--format" in arguments:
        return check_format(root)
    found = list(violations(root))
    print("\n".join(found) if found else "layers: no violation")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
