"""Bad input: one line on standard error that says what to do, a status that is not 0, nothing left behind."""

import os
import shutil
import socket

import gnomon
import machine
from case import Case
from production import Nginx


class BadInput(Case):
    def refused(self, *arguments, says, prefix=(), program=None, target=8080):
        before = machine.links()
        process = gnomon.Running([*prefix, program or gnomon.program("gnomon"), "try", "--port", str(target), *arguments])
        status = process.wait(60)
        self.assertNotEqual(0, status, process.text())
        self.assertEqual(1, len(process.stderr), f"one line, not {process.stderr}")
        self.assertFalse([line for line in process.stdout if "verdict" in line])
        for pattern in says:
            self.assertRegex(process.stderr[0], pattern)
        self.assert_nothing_left(process.pid)
        self.assertEqual(before, machine.links())

    def free_port(self, kind):
        holder = socket.socket(socket.AF_INET, kind)
        self.addCleanup(holder.close)
        holder.bind(("127.0.0.1", 0))
        return holder.getsockname()[1]

    def test_port_without_listener(self):
        port = self.free_port(socket.SOCK_STREAM)  # bound, but nobody listens
        self.refused(target=port, says=[rf"\b{port}\b", r"(?i)listen"])

    def test_udp_port(self):
        port = self.free_port(socket.SOCK_DGRAM)
        self.refused(target=port, says=[rf"\b{port}\b", r"UDP", r"TCP"])

    def test_unreadable_profile(self):
        production = self.start(Nginx)
        missing = self.directory.file("none.json")
        self.refused("--pid", str(production.process.pid), "--profile", missing, says=["none.json", r"(?i)no such file"])

    def bad_profile(self, text, *says):
        production = self.start(Nginx)
        path = self.directory.file("bad.json", text)
        self.refused("--pid", str(production.process.pid), "--profile", path, says=says)

    def test_unknown_field(self):
        self.bad_profile('{\n  "service_descriptor": "e2e",\n  "noise_parameters": { "error_rat": "0.01" }\n}\n',
                         r"bad\.json:3", "error_rat", "error_rate")

    def test_wrong_unit(self):
        self.bad_profile('{ "service_descriptor": "e2e", "noise_parameters": { "response_delay_mean": "50" } }',
                         r"bad\.json:1", "noise_parameters.response_delay_mean", '"50"', "ms")

    def test_malformed_document(self):
        self.bad_profile('{ "service_descriptor": "e2e", ', r"bad\.json:\d")

    def test_unknown_scenario(self):
        self.bad_profile('{ "service_descriptor": "e2e", "testing_scenarios": ["stampede"] }', "testing_scenarios",
                         "stampede", "simulated_peak_load_")

    def test_negative_fraction(self):
        production = self.start(Nginx)
        self.refused("--pid", str(production.process.pid), "--fraction=-5%", says=["fraction", r"-5%"])

    def test_budget_too_small(self):
        production = self.start(Nginx, cgroup=(500, 128 << 20))
        profile = self.profile(cpu="2x production", memory="1x production")
        self.refused("--pid", str(production.process.pid), "--profile", profile, "--budget-cpu", "0.5",
                     says=["cpu", "--budget-cpu"])

    def test_kernel_without_btf(self):
        production = self.start(Nginx)
        hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /sys/kernel/btf && exec "$@"', "sh"]
        self.refused("--pid", str(production.process.pid), prefix=hidden, says=["BTF", "CONFIG_DEBUG_INFO_BTF"])

    def test_not_root(self):
        production = self.start(Nginx)
        # In the working directory, since the checkout may be where nobody may look.
        program = shutil.copy(gnomon.program("gnomon"), self.directory.path)
        os.chmod(program, 0o755)
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        self.refused("--pid", str(production.process.pid), prefix=nobody, program=program, says=["root|sudo"])
