"""What all end-to-end cases share: they skip where the machine lacks something, and nothing stays behind."""

import json
import os
import shutil
import unittest

import gnomon
import machine


class Case(unittest.TestCase):
    needs = ("ip", "nsenter", "runc")

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("needs root: namespaces, cgroups and BPF")
        if not os.path.exists("/sys/kernel/btf/vmlinux"):
            self.skipTest("needs a kernel with BTF (/sys/kernel/btf/vmlinux)")
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        for program in self.needs:
            if not shutil.which(program, path=path):
                self.skipTest(f"needs {program}")
        self.host = machine.links(), machine.named_namespaces()
        self.directory = machine.WorkingDirectory()
        self.addCleanup(self.directory.remove)

    def start(self, production, *arguments, **options):
        made = production(*arguments, **options)
        self.addCleanup(made.stop)
        return made

    def start_try(self, *arguments):
        """What a session costs production depends on what else the machine does: only tests of that let it end one."""
        if "--max-production-cost" not in arguments:
            arguments = (*arguments, "--max-production-cost", "off")
        running = gnomon.start_try(*arguments)
        self.addCleanup(running.end)
        return running

    def profile(self, scenarios=(), service="e2e", cpu=None, memory=None, noise=None):
        """Writes a profile document; its path."""
        document = {"service_descriptor": service, "testing_scenarios": list(scenarios)}
        resources = {name: value for name, value in (("cpu", cpu), ("memory", memory)) if value}
        if resources:
            document["resource_allocation"] = resources
        if noise:
            document["noise_parameters"] = noise
        return self.directory.file("profile.json", json.dumps(document))

    def metric(self, session, name):
        return next(metric for metric in session["verdict"]["metrics"] if metric["metric"] == name)

    def assert_nothing_left(self, agent_pid, production=None, state_root="/run/gnomon"):
        """No process, cgroup, mount or state of that agent; no link or named namespace that was not there before."""
        self.assertEqual([], machine.traces_of(agent_pid, state_root))
        if production:
            self.assertEqual([], production.shadow_pids())
        links, namespaces = self.host
        self.assertEqual(set(), {link for link in machine.links() - links if "gn" in link or "veth" in link})
        self.assertEqual(set(), machine.named_namespaces() - namespaces)
