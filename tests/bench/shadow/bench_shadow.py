#!/usr/bin/python3
"""How long a shadow takes to come up and to go, beside what its service takes to start by itself.

Seen from outside of `gnomon try`: up is from the first thing that the session makes (its state) until the copy accepts a
connection on its port; down is from the signal that ends the session until the copy, its cgroup and its state are gone.
Alone is the same command started in a fresh network namespace, from fork until it accepts. What a start takes is what up takes
beyond alone: the difference of their medians; a stop is down. All in milliseconds.
Prints one JSON object on standard output, progress on standard error.  Usage: bench-shadow [--runs N]"""

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import sys
import time

sys.path.insert(0, "@CMAKE_SOURCE_DIR@/tests/e2e")
os.environ.setdefault("GNOMON_BIN", "@CMAKE_RUNTIME_OUTPUT_DIRECTORY@")
# pylint: disable=wrong-import-position
import gnomon
import machine
from production import Nginx, NodeRecorder, Production
from services import Namespace, Redis

STATE = "/run/gnomon"


class PythonHttp(Production):
    def command(self):
        return ["/usr/bin/python3", "-m", "http.server", str(self.port)]


SERVICES = {"nginx": Nginx, "redis": Redis, "python": PythonHttp, "node": NodeRecorder}
PROGRAMS = {"nginx": "nginx", "redis": "redis-server", "python": "python3", "node": "node"}


def poll(condition):
    """The condition's value as soon as it holds."""
    return machine.wait_until(condition, "bench-shadow", seconds=30, pause=0.002)


def since(start):
    return (time.monotonic() - start) * 1e3


def session_state(agent):
    """Directories of that agent's sessions; what is the agent's own is none of them."""
    found = []
    for name in os.listdir(STATE):
        if name.startswith(f"{agent}-"):
            found += [entry.path for entry in os.scandir(f"{STATE}/{name}") if entry.name.startswith("s-")]
    return found


def accepts(network, port):
    def connect():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0
    return network.call(connect)


def new_copy(production, least):
    """The copy of production, among processes that are younger than its agent."""
    cmdline = machine.read_proc(production.process.pid, "cmdline")
    own = machine.pid_namespace(production.process.pid)
    return next((pid for pid in machine.pids() if pid > least and machine.read_proc(pid, "cmdline") == cmdline and
                 machine.pid_namespace(pid) not in ("", own)), None)


def shadow_once(production):
    """Milliseconds until up, and until gone."""
    running = gnomon.start_try("--port", str(production.port), "--pid", str(production.process.pid), "--for", "15s")
    try:
        poll(lambda: session_state(running.pid))
        start = time.monotonic()
        pid = poll(lambda: new_copy(production, running.pid))
        network = Namespace(pid)
        poll(lambda: accepts(network, production.port))
        up = since(start)
        time.sleep(0.3)  # past attaching: what is timed next is taking it down
        running.process.send_signal(signal.SIGINT)
        start = time.monotonic()
        poll(lambda: not os.path.exists(f"/proc/{pid}") and not holds_anything(running.pid))
        down = since(start)
        running.wait(30)
    finally:
        running.end()
    return up, down


def holds_anything(agent):
    """State or a cgroup of that agent's sessions."""
    return bool(os.path.isdir(STATE) and session_state(agent)) or any(
        name.startswith(f"{agent}-") and os.listdir(f"{parent}/{name}") and
        any(entry.is_dir() for entry in os.scandir(f"{parent}/{name}"))
        for parent in ("/sys/fs/cgroup/gnomon", "/sys/fs/cgroup/cpu/gnomon", "/sys/fs/cgroup/unified/gnomon")
        if os.path.isdir(parent) for name in os.listdir(parent))


def alone_once(service):
    """Milliseconds in which the same command accepts by itself. The production class waits coarsely: not used."""
    class Plain(service):
        def answers(self):
            poll(lambda: accepts(self.network, self.port))
            return True

        def spawn(self):
            self.began = time.monotonic()
            super().spawn()
            self.took = since(self.began)
    production = Plain()
    production.stop()
    return production.took


def spread(values):
    tenths = statistics.quantiles(values, n=10, method="inclusive")
    return {"median": round(statistics.median(values), 1), "p10": round(tenths[0], 1), "p90": round(tenths[-1], 1),
            "runs": len(values)}


def measure(name, runs):
    service, ups, downs = SERVICES[name], [], []
    alone = [alone_once(service) for _ in range(runs)]
    production = service()
    try:
        for number in range(runs):
            up, down = shadow_once(production)
            ups.append(up)
            downs.append(down)
            print(f"bench-shadow: {name} {number + 1}/{runs}: up {up:.0f} ms, gone {down:.0f} ms", file=sys.stderr, flush=True)
    finally:
        production.stop()
    return {"start_ms": round(statistics.median(ups) - statistics.median(alone), 1), "stop_ms": round(statistics.median(downs), 1),
            "up_ms": spread(ups), "alone_ms": spread(alone), "down_ms": spread(downs)}


def of_all(result, what):
    """The services' medians: the slowest service's, and what is typical."""
    medians = {name: of_one[what] for name, of_one in result.items()}
    slowest = max(medians, key=medians.get)
    return {"median": round(statistics.median(medians.values()), 1), "slowest": medians[slowest], "slowest_service": slowest}


def main():
    parser = argparse.ArgumentParser(prog="bench-shadow")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("services", nargs="*", default=[], metavar="SERVICE", help=", ".join(SERVICES))
    arguments = parser.parse_args()
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    os.makedirs(STATE, exist_ok=True)
    result = {name: measure(name, arguments.runs) for name in arguments.services or SERVICES
              if shutil.which(PROGRAMS[name], path=path)}
    if not result:
        sys.exit("bench-shadow: none of these services is installed: " + ", ".join(PROGRAMS.values()))
    print(json.dumps({"start_ms": of_all(result, "start_ms"), "stop_ms": of_all(result, "stop_ms"), "services": result,
                      "load_average": os.getloadavg(), "processors": os.cpu_count()}))


if __name__ == "__main__":
    main()
