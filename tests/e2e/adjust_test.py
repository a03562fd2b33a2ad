"""A shadow's resources change while it runs, and what it may reach is what its descriptor says."""

import os
import socket
import threading

from machine import read_proc, wait_until
from production import Production
from three_programs import ThreeProgramsCase


def cgroup_file(pid, controller, v1, v2):
    """The contents of a file of the process's cgroup, whichever version its controller is of."""
    for line in read_proc(pid, "cgroup").decode().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            with open("/proc/self/mounts", encoding="ascii", errors="replace") as mounts:
                mount = next(entry.split()[1] for entry in mounts
                             if entry.split()[2] == "cgroup" and controller in entry.split()[3].split(","))
            with open(f"{mount}{path}/{v1}", encoding="ascii") as file:
                return file.read().split()
        if not controllers and os.path.exists(f"/sys/fs/cgroup{path}/{v2}"):
            with open(f"/sys/fs/cgroup{path}/{v2}", encoding="ascii") as file:
                return file.read().split()
    return []


class Adjust(ThreeProgramsCase):
    needs = ThreeProgramsCase.needs + ("wrk",)

    def test_cpu_and_memory_change_while_the_session_runs(self):
        production, agent, identifier = self.start_session_under_load("60s")

        def status():
            return self.status(identifier)

        before = status()
        self.assertEqual(250, int(before["shadow_cpu_milli"]))
        memory = cgroup_file(before["shadow_pid"], "memory", "memory.limit_in_bytes", "memory.max")
        adjusted = self.gnomon("adjust", "session", identifier, "--cpu", "400m", "--memory", "192Mi")
        self.assertEqual(0, adjusted.returncode, adjusted.stderr)
        self.assertIn("400m CPU and 192Mi of memory", adjusted.stdout)
        agent.wait_for(lambda: int(status().get("shadow_cpu_milli", 0)) == 400, "it is told", 60)
        after = status()
        self.assertEqual(before["shadow_pid"], after["shadow_pid"], "it is the same shadow")
        self.assertEqual(192 << 20, int(after["shadow_memory_bytes"]))
        # In pauses it gets a hundredth of a processor: the limit is there again after them.
        wait_until(lambda: cgroup_file(after["shadow_pid"], "cpu", "cpu.cfs_quota_us", "cpu.max")[:1] == ["40000"],
                   "the limit is in its cgroup", 20)
        grown = cgroup_file(after["shadow_pid"], "memory", "memory.limit_in_bytes", "memory.max")
        self.assertEqual(64 << 20, int(grown[0]) - int(memory[0]))
        self.assertIn("0.4 CPU, 192Mi memory", self.gnomon("describe", "session", identifier).stdout)

        too_much = self.gnomon("adjust", "session", identifier, "--cpu", "32")
        self.assertEqual(0, too_much.returncode, too_much.stderr)
        agent.wait_for(lambda: "resources stay as they are" in status().get("message", ""), "why not is told", 60)
        self.assertEqual(400, int(status()["shadow_cpu_milli"]))
        stopped = self.gnomon("stop", "session", identifier)
        self.assertEqual(0, stopped.returncode, stopped.stderr)
        self.finish(production)


class Dependent(Production):
    """Wants to reach the addresses it is given."""

    def __init__(self, *addresses):
        self.addresses = addresses
        super().__init__((500, 256 << 20))

    def command(self):
        return ["/usr/bin/python3", "-B", self.server("dependent.py"), str(self.port), *self.addresses]


class Listener:
    """Counts who comes, on the host's loopback."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.accepted = 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.accepted += 1
            connection.close()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


class Egress(ThreeProgramsCase):
    def test_what_a_shadow_may_reach_is_what_its_descriptor_says(self):
        allowed, staging = Listener(), Listener()
        self.addCleanup(allowed.close)
        self.addCleanup(staging.close)
        forbidden, database = "10.255.3.9:6379", "10.255.3.7:5432"
        production = self.start(Dependent, forbidden, database, allowed.address)
        self.start_coordinator()
        agent = self.start_agent()
        service = self.directory.file("service.yaml", f"""name: e2e
discovery:
  port: {production.port}
  pid: {production.process.pid}
shadow:
  egress:
    - to: {database}
      redirect: {staging.address}
    - to: {allowed.address}
""")
        applied = self.gnomon("apply", "-f", service, "-f", self.profile(cpu="0.5x production", memory="1x production"),
                              "--for", "60s")
        self.assertEqual(0, applied.returncode, applied.stderr)
        identifier = self.asked("get", "sessions")["sessions"][0]["id"]

        def told():
            attempts = self.session(identifier).get("status", {}).get("egress", [])
            found = {(attempt["destination"], attempt["action"]) for attempt in attempts}
            return found if len(found) >= 3 else None

        found = agent.wait_for(told, "what it wanted to reach", 90)
        self.assertEqual({(forbidden, "denied"), (database, "redirected"), (allowed.address, "allowed")}, found)
        text = self.gnomon("describe", "session", identifier).stdout
        self.assertRegex(text, rf"this shadow wanted to reach {forbidden} by tcp, \d+ times? \(denied\)")
        self.assertRegex(text, rf"this shadow wanted to reach {database} by tcp, \d+ times? \(redirected\)")
        wait_until(lambda: allowed.accepted and staging.accepted, "both are reached")
        stopped = self.gnomon("stop", "session", identifier)
        self.assertEqual(0, stopped.returncode, stopped.stderr)
        self.finish(production)
