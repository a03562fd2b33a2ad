"""skipped_everywhere.py RESULTS.xml: merges what ctest found here (--output-junit) with what the tests vm.* in it found on other
kernels, and prints each test that was skipped on all of them: nothing has run it. Status 1 if one of these is a test that virtual
machines run too: what this machine lacks was to be had there."""

import re
import sys
import xml.etree.ElementTree as ElementTree

LINE = re.compile(r"^ *\d+/\d+ Test +#\d+: (.*?) \.{2,} *(\S.*?) +[\d.]+ sec", re.MULTILINE)


def plain(name):
    """Without what GoogleTest says of a parameter: the bytes of some hold addresses."""
    return name.split("  # GetParam")[0].strip()


def results(path):
    """{test: {machine: skipped}}; the machine "here" is the one that ctest ran on."""
    found = {}
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        found.setdefault(plain(case.get("name")), {})["here"] = case.find("skipped") is not None
        if case.get("name").startswith("vm."):
            for name, outcome in LINE.findall(case.findtext("system-out") or ""):
                found.setdefault(plain(name), {})[case.get("name")] = "Skipped" in outcome
    return found


def main(path):
    found = results(path)
    machines = sorted({machine for where in found.values() for machine in where})
    nowhere = {name: where for name, where in found.items() if all(where.values())}
    print(f"{len(found)} tests on {', '.join(machines)}; skipped on each that has them: {len(nowhere)}")
    for name, where in sorted(nowhere.items()):
        print(f"  {name} ({', '.join(sorted(where))})")
    return 1 if any(len(where) > 1 for where in nowhere.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
