"""What a test borrows of the machine: network namespaces, cgroups, a working directory. All of it is given back, and what a
run that was broken off did not give back the next one takes."""

import ctypes
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

CLONE_NEWNET = 0x40000000
PREFIX = "gnomon-e2e-"
_libc = ctypes.CDLL(None, use_errno=True)
_count = iter(range(1 << 30))


def unique(what):
    return f"{PREFIX}{os.getpid()}-{what}{next(_count)}"


def sweep():
    """Ends and removes what belongs to runs of tests whose process has gone: its id is in the names."""
    def of_the_dead(paths):
        found = ((path, re.match(PREFIX + r"(\d+)-", os.path.basename(path))) for path in paths)
        return [path for path, name in found if name and not os.path.exists(f"/proc/{name[1]}")]

    for path in of_the_dead(glob.glob(f"/run/netns/{PREFIX}*")):
        inside = subprocess.run(["ip", "netns", "pids", os.path.basename(path)], check=False, capture_output=True, text=True)
        end(int(pid) for pid in inside.stdout.split())
        subprocess.run(["ip", "netns", "delete", os.path.basename(path)], check=False)
    for path in of_the_dead(glob.glob(f"/sys/fs/cgroup/{PREFIX}*") + glob.glob(f"/sys/fs/cgroup/*/{PREFIX}*")):
        try:
            remove_cgroup(path)
        except AssertionError as stays:
            print(f"{path} of an earlier run stays: {stays}", file=sys.stderr)
    for path in of_the_dead(glob.glob(os.path.join(tempfile.gettempdir(), f"{PREFIX}*")) + glob.glob(f"/dev/shm/{PREFIX}*")):
        shutil.rmtree(path, ignore_errors=True)


def end(processes):
    for pid in processes:
        if pid <= 0:  # how a cgroup lists processes of another pid namespace; to kill() it is the caller's own group
            continue
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def remove_cgroup(directory):
    def gone():
        try:
            os.rmdir(directory)
        except OSError:
            with open(f"{directory}/cgroup.procs", encoding="ascii") as procs:
                end(int(pid) for pid in procs.read().split())
            return False
        return True
    wait_until(gone, f"removal of {directory}")


def wait_until(condition, what, seconds=15.0, pause=0.02):
    """Waits for a condition, looking every `pause` seconds; its value. A deadline that passes is a failure that says what for."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:g} s")
        time.sleep(pause)


class NetworkNamespace:
    def __init__(self):
        self.name = unique("n")
        self.path = f"/run/netns/{self.name}"
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        subprocess.run([*self.enter(), "ip", "link", "set", "lo", "up"], check=True)

    def enter(self):
        """Prefix of a command line: the command replaces it, keeping its pid."""
        return ["nsenter", f"--net={self.path}", "--"]

    def call(self, function):
        """The result of a call made inside the namespace: a socket made there stays there."""
        result = []

        def inside():
            with open(self.path, "rb") as namespace:
                if _libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            result.append(function())

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        return result[0]

    def remove(self):
        subprocess.run(["ip", "netns", "delete", self.name], check=False)


class Cgroup:
    """A cgroup with a CPU quota and a memory limit, whichever version the machine has."""

    def __init__(self, milli_cpu, memory_bytes):
        self.name = unique("c")
        self.directories = []
        with open("/proc/self/mounts", encoding="ascii", errors="replace") as mounts:
            v1 = {option: line.split()[1] for line in mounts if line.split()[2] == "cgroup"
                  for option in line.split()[3].split(",")}
        if "cpu" in v1:
            for root in dict.fromkeys(v1[c] for c in ("cpu", "cpuacct", "memory") if c in v1):
                self._make(root)
            self._write(v1["cpu"], "cpu.cfs_quota_us", milli_cpu * 100)
            self._write(v1["memory"], "memory.limit_in_bytes", memory_bytes)
        else:
            root = "/sys/fs/cgroup"
            with open(f"{root}/cgroup.subtree_control", "w", encoding="ascii") as control:
                control.write("+cpu +memory")
            self._make(root)
            self._write(root, "cpu.max", f"{milli_cpu * 100} 100000")
            self._write(root, "memory.max", memory_bytes)

    def _make(self, root):
        os.mkdir(f"{root}/{self.name}")
        self.directories.append(f"{root}/{self.name}")

    def _write(self, root, file, value):
        with open(f"{root}/{self.name}/{file}", "w", encoding="ascii") as limit:
            limit.write(str(value))

    def join(self):
        """For a child between fork and exec."""
        for directory in self.directories:
            with open(f"{directory}/cgroup.procs", "w", encoding="ascii") as procs:
                procs.write("0")

    def remove(self):
        for directory in self.directories:
            remove_cgroup(directory)


class WorkingDirectory:
    def __init__(self):
        self.path = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")
        os.chmod(self.path, 0o755)

    def file(self, name, text=None):
        path = os.path.join(self.path, name)
        if text is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        return path

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


def read_proc(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def pid_namespace(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def links():
    return set(os.listdir("/sys/class/net"))


def named_namespaces():
    try:
        return {name for name in os.listdir("/run/netns") if not name.startswith(("gnomon-e2e", "gnomon-quickstart"))}
    except FileNotFoundError:
        return set()


def traces_of(agent_pid, state_root="/run/gnomon"):
    """Everything on the machine that carries the agent's id (its pid and start time), as lines to print."""
    mark, found = f"{agent_pid}-", []
    for name in os.listdir(state_root) if os.path.isdir(state_root) else ():
        if name.startswith(mark):
            found.append(f"state directory {state_root}/{name}")
    for parent, directories, _ in os.walk("/sys/fs/cgroup"):
        found += [f"cgroup {parent}/{name}" for name in directories if name.startswith(mark) and "/gnomon" in parent]
    for pid in pids():
        if b"\nState:\tZ" in read_proc(pid, "status"):
            continue  # dead, waiting for init to take note
        for line in read_proc(pid, "cgroup").decode().splitlines():
            if "/gnomon/" in line and f"/{mark}" in line:
                found.append(f"process {pid} {read_proc(pid, 'cmdline')!r} in {line}")
                break
    for line in read_proc("self", "mountinfo").decode().splitlines():
        if f"/gnomon/{mark}" in line:
            found.append(f"mount {line}")
    return found
