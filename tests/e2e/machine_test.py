"""What a run of tests that was broken off left behind does not stay."""

import os
import signal
import subprocess
import sys

import machine
from case import Case

# Borrows one of each, starts a server in them that outlives it, says so and waits to be killed.
BROKEN_OFF = """
import os, subprocess, sys, time
import machine
network, cgroup, directory = machine.NetworkNamespace(), machine.Cgroup(500, 64 << 20), machine.WorkingDirectory()
directory.file("server.log", "")
server = subprocess.Popen([*network.enter(), "sleep", "600"], preexec_fn=cgroup.join, start_new_session=True,
                          stdout=subprocess.DEVNULL)
print(server.pid, network.path, directory.path, *cgroup.directories, flush=True)
time.sleep(600)
"""


class Machine(Case):
    needs = ("ip", "nsenter")

    def test_what_a_broken_off_run_left_is_removed_and_what_is_in_use_is_not(self):
        own = machine.NetworkNamespace()
        self.addCleanup(own.remove)
        environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.abspath(machine.__file__))}
        with subprocess.Popen([sys.executable, "-B", "-c", BROKEN_OFF], stdout=subprocess.PIPE, text=True,
                              env=environment) as broken:
            self.addCleanup(broken.kill)
            server, *paths = broken.stdout.readline().split()
            machine.sweep()
            self.assertEqual([], [path for path in paths if not os.path.exists(path)], "it is alive")
            broken.send_signal(signal.SIGKILL)
            broken.wait()
        self.assertTrue(os.path.exists(f"/proc/{server}"))
        machine.sweep()
        self.assertEqual([], [path for path in paths if os.path.exists(path)])
        machine.wait_until(lambda: not machine.read_proc(server, "cmdline"), "its server has ended")
        self.assertTrue(os.path.exists(own.path))
        self.assertTrue(os.path.exists(self.directory.path))
