"""Many sessions started and ended in every way on a live service: in order, and by kill -9 of the agent or of runc.

Prints one JSON object; status 1 if a request failed or anything stayed behind.  Usage: soak.py [--sessions N] [--seed N]"""

import argparse
import collections
import json
import os
import random
import signal
import subprocess
import sys
import time

import gnomon
import machine
from clients import Wrk
from production import Nginx

WAYS = ("interrupt", "kill agent", "kill runc")
KILLED = r"c?runc? was killed by signal 9"
LONGEST = 8.0  # seconds that one session takes at most, with what is between two


def host():
    """What the machine has, one line a thing. Named namespaces and mounts of other tests are theirs."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        # Without the mount's and its parent's numbers, which are used again.
        mounts = {"mount " + line.split(" ", 2)[2].strip() for line in file if "gnomon-e2e" not in line}
    qdiscs = subprocess.run(["tc", "qdisc"], check=False, capture_output=True, text=True).stdout.splitlines()
    cgroups = {"cgroup " + os.path.join(parent, name) for parent, names, _ in os.walk("/sys/fs/cgroup")
               for name in names if "/gnomon/" in f"{parent}/{name}/" and "gnomon-e2e" not in f"{parent}/{name}"}
    return (mounts | {f"link {name}" for name in machine.links()} | {f"namespace {n}" for n in machine.named_namespaces()}
            | {f"qdisc {line}" for line in qdiscs} | cgroups)


def runc_of(parent):
    """The process of that agent which is runc, or crun, as it starts a shadow (not as it is only tried out), or None."""
    for pid in machine.pids():
        words = machine.read_proc(pid, "cmdline").split(b"\0")
        if b"--preserve-fds" not in words or any(word.endswith(b"/trial") for word in words):
            continue
        stat = machine.read_proc(pid, "stat").decode(errors="replace")
        if stat and int(stat.rsplit(")", 1)[1].split()[1]) == parent:
            return pid
    return None


def kill_runc(running):
    """Whether runc was sent the signal; what became of it the agent says."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and running.process.poll() is None:
        pid = runc_of(running.pid)
        if pid:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                return False
            return True
    return False


def one_session(production, way, rng):
    """Starts a session and ends it; what was done to it, and the agent's pid."""
    running = gnomon.start_try("--port", str(production.port), "--pid", str(production.process.pid), "--fraction", "100%",
                               "--for", "15s")
    try:
        caught = way == "kill runc" and kill_runc(running)
        if way == "kill runc" and not caught:
            way = "missed runc"
        if way == "kill agent":
            time.sleep(rng.uniform(0.05, 2))  # anywhere in start, warm-up and run
            running.process.send_signal(signal.SIGKILL)
        elif way != "kill runc":
            running.wait_for(lambda: running.said("^production"), "start")
            time.sleep(rng.uniform(0, 2))
            running.process.send_signal(signal.SIGINT)
        running.wait(30)
    finally:
        running.end()
    if way == "kill runc" and not running.said(KILLED):
        way = "missed runc"  # it had just ended
    return way, running.pid


def soak(sessions, seed):
    rng, ways, agents = random.Random(seed), collections.Counter(), []
    began, production = time.monotonic(), Nginx(cgroup=(500, 128 << 20))
    before = host()  # with what the first named network namespace makes the machine mount
    try:
        load = Wrk(production, rate=300, connections=30, seconds=int(60 + LONGEST * sessions))
        try:
            for number in range(sessions):
                way, pid = one_session(production, WAYS[number] if number < len(WAYS) else rng.choice(WAYS), rng)
                ways[way] += 1
                agents.append(pid)
                print(f"soak: {number + 1}/{sessions} {way}", file=sys.stderr, flush=True)
        finally:
            load.finish(stop=True)
        cleaned = gnomon.run(gnomon.program("gnomon"), "cleanup")
        check = gnomon.run(gnomon.program("gnomon"), "cleanup", "--check")
        marks = tuple(f"{pid}-" for pid in agents)
        left = [trace for pid in agents for trace in machine.traces_of(pid)]
        left += [f"process {pid}" for pid in production.shadow_pids()]
    finally:
        production.stop()
    return {"sessions": sessions, "seed": seed, "ways": dict(ways), "seconds": round(time.monotonic() - began),
            "requests": load.requests(), "failed": sum(load.failures()), "cleanup_status": cleaned.returncode,
            "check_finds": [line for line in (check.stdout + check.stderr).splitlines() if any(m in line for m in marks)],
            "left": left, "host_gained": sorted(host() - before), "host_lost": sorted(before - host()),
            "load_average": os.getloadavg()}


def good(result):
    return (result["requests"] > 0 and result["cleanup_status"] == 0 and
            all(result["ways"].get(way, 0) > 0 for way in WAYS) and  # each has hit: runc while it was at work
            not any(result[key] for key in ("failed", "check_finds", "left", "host_gained", "host_lost")))


def main():
    parser = argparse.ArgumentParser(prog="bench-soak", description=__doc__)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    result = soak(arguments.sessions, arguments.seed)
    print(json.dumps(result))
    return 0 if good(result) else 1


if __name__ == "__main__":
    sys.exit(main())
