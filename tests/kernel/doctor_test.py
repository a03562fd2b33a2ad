"""gnomon doctor on the kernel that runs: its verdict, what it says without rights, and that the table in
docs/kernel-support.md says the same as it found."""

import glob
import json
import os
import re
import subprocess
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.environ.get("GNOMON_BIN") or os.path.join(HERE, "..", "..", "build", "bin")
DOCUMENT = os.path.join(HERE, "..", "..", "docs", "kernel-support.md")
NOBODY = 65534


def doctor(*arguments, prefix=()):
    """Status and output; what goes to standard error is a failure."""
    done = subprocess.run([*prefix, os.path.join(BIN, "gnomon"), "doctor", *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def diagnosis(prefix=()):
    status, out = doctor("-o", "json", prefix=prefix)
    found = json.loads(out)
    found["status"] = status
    found["by_id"] = {check["id"]: check for check in found["checks"]}
    return found


def documented(kernel):
    """What the document says about a kernel ("6.12"): {name: cell}, or None if it has no column for it."""
    with open(DOCUMENT, encoding="utf-8") as file:
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in file if line.startswith("|")]
    head = next(row for row in rows if row[0] == "by kernel")
    if kernel not in head:
        return None
    column = head.index(kernel)
    table = {}
    for row in rows[rows.index(head) + 2:]:
        name = re.fullmatch(r"`([^`]+)`.*", row[0])
        if not name or len(row) != len(head):
            break
        table[name.group(1)] = row[column]
    return table


def chosen(found):
    """What the document says by names of its own: what the agent takes of several, and where cgroups are."""
    def hook(check):
        return (re.match(r"(\S+) loads", found["by_id"][check]["seen"]) or ["", "none"])[1]
    return {"tap": found["tap"] or "none", "send": found["send"] or "none", "arrival": hook("arrival"),
            "packets": hook("spliced"), "responses": hook("compared"), "leaving": hook("from_files"),
            "cgroup": re.match(r"cpu of (v\d)", found["by_id"]["cgroup_cpu"]["seen"])[1]}


def traces():
    """What a diagnosis could leave behind."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounts = file.read()
    return (glob.glob("/sys/fs/cgroup/**/gnomon-doctor-*", recursive=True), glob.glob("/run/gnomon-doctor-*"), mounts,
            sorted(os.listdir("/sys/class/net")))


@unittest.skipIf(os.geteuid() != 0, "needs root")
class Doctor(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.before = traces()
        cls.whole = diagnosis()  # shared: in an emulated machine it takes seconds
        cls.after = traces()

    def test_status_and_verdict_agree(self):
        status, text = doctor()
        self.assertEqual(self.whole["status"], 0 if self.whole["sessions_can_run"] else 1)
        self.assertEqual(status, self.whole["status"])
        self.assertIn("\nsessions can run" if status == 0 else "\nsessions cannot run", text)
        for check in self.whole["checks"]:
            self.assertEqual(check["state"] == "ok", not check["remedy"], check)

    def test_the_document_says_what_was_found(self):
        kernel = ".".join(os.uname().release.split(".")[:2])
        table = documented(kernel)
        if table is None and "GNOMON_VM_KERNEL" in os.environ:
            self.fail(f"docs/kernel-support.md has no column for Linux {kernel}, which the tests run on")
        if table is None:
            self.skipTest(f"docs/kernel-support.md has no column for Linux {kernel}")
        uses = chosen(self.whole)
        self.assertLess({*uses, "netem"}, {*table})
        for name, said in table.items():
            if said == "varies":
                continue
            with self.subTest(name):
                if name in uses:
                    self.assertEqual(said, uses[name])
                else:
                    found = self.whole["evidence"].get(name)
                    self.assertEqual(said, "yes" if found == "yes" else "no", found)

    def test_nothing_stays_behind(self):
        self.assertEqual(self.after, self.before)
        self.assertEqual(self.after[:2], ([], []))

    def test_a_right_that_is_missing_is_named_with_its_remedy(self):
        found = diagnosis(["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"])
        self.assertEqual(found["status"], 1)
        self.assertEqual(found["by_id"]["cap_net_admin"]["state"], "missing")
        self.assertIn("--cap-add=NET_ADMIN", found["by_id"]["cap_net_admin"]["remedy"])
        self.assertEqual(found["by_id"]["veth"]["state"], "unknown")
        self.assertIn("CAP_NET_ADMIN", found["by_id"]["veth"]["seen"])

    def test_without_the_rights_to_load_programs_the_tap_is_not_called_missing(self):
        dropped = "-bpf,-perfmon,-sys_admin"
        found = diagnosis(["setpriv", f"--bounding-set={dropped}", f"--inh-caps={dropped}"])
        self.assertEqual(found["status"], 1)
        self.assertEqual(found["by_id"]["tap"]["state"], "unknown")
        for right in ("CAP_BPF", "CAP_PERFMON"):
            self.assertIn(right, found["by_id"]["tap"]["remedy"])
        self.assertEqual(found["by_id"]["namespaces"]["state"], "unknown")

    def test_the_rights_to_load_programs_alone_show_the_tap(self):
        kept = "-all,+bpf,+perfmon"
        if not self.whole["tap"]:
            self.skipTest("no tap loads on this kernel")
        found = diagnosis(["setpriv", f"--bounding-set={kept}", f"--inh-caps={kept}"])
        self.assertEqual(found["status"], 1)
        if found["tap"] is None:  # where the kernel lacks a function of the best tap, see docs/kernel-support.md
            self.assertNotEqual(self.whole["tap"], "packet-copy")
            self.assertEqual(found["by_id"]["tap"]["state"], "unknown")
            self.assertIn("CAP_SYS_ADMIN", found["by_id"]["tap"]["remedy"])
        else:
            self.assertEqual(found["tap"], self.whole["tap"])

    def test_without_root_it_says_what_it_could_not_check(self):
        if subprocess.run(["setpriv", f"--reuid={NOBODY}", "--clear-groups", "test", "-x", f"{BIN}/gnomon"],
                          check=False).returncode != 0:
            self.skipTest("the programs are where only root can read them")
        found = diagnosis(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"])
        self.assertEqual(found["status"], 1)
        self.assertIn("sudo", found["by_id"]["root"]["remedy"])
        for unknown in ("tap", "namespaces", "overlayfs", "veth", "netem"):
            self.assertEqual(found["by_id"][unknown]["state"], "unknown", unknown)
        self.assertEqual(found["by_id"]["btf"]["state"], "ok")
