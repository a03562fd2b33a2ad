"""Noise is injected as asked for, measured, changed while a session runs, and gone with its shadow."""

import json
import signal
import subprocess

import gnomon
import machine
from case import Case
from clients import Wrk
from dependencies import Caller, Dependency
from production import Nginx
from three_programs import ThreeProgramsCase


def host_queues():
    """Queueing disciplines and filters of the host's own network namespace."""
    return [subprocess.run(["tc", *what], stdout=subprocess.PIPE, text=True, check=True).stdout
            for what in (("qdisc", "show"), ("filter", "show", "dev", "lo", "ingress"))]


def packet_programs():
    """Ids of the kernel programs that inject noise, of whichever agent."""
    shown = json.loads(subprocess.run(["bpftool", "-j", "prog", "show"], stdout=subprocess.PIPE, text=True, check=True).stdout)
    return {program["id"] for program in shown if program.get("name", "").startswith("noise_")}


class Noise(Case):
    needs = Case.needs + ("wrk", "tc", "bpftool")

    def test_a_session_with_every_noise_that_the_node_has_checks_each(self):
        queues = host_queues()
        production = self.start(Nginx, cgroup=(500, 128 << 20))
        load = Wrk(production, rate=100, header="Connection: close")  # so that there are connections to refuse
        self.addCleanup(load.finish, stop=True)
        noise = {"response_delay_mean": "50ms", "response_delay_stddev": "20ms", "response_delay_distribution": "pareto",
                 "error_rate": "1%", "packet_loss": "1%", "packet_duplication": "2%", "rate_limit": "50Mbit",
                 "connection_refusal": "3%", "connection_reset": "2%"}
        running = self.start_try("--port", "8080", "--pid", str(production.process.pid), "--fraction", "100%", "--profile",
                                 self.profile(noise=noise), "--for", "45s", "-o", "json")
        self.assertEqual(0, running.wait(150), running.text())
        session = gnomon.session_of(running)
        checks = {check["kind"]: check for check in session["status"]["noise_checks"]}
        print(json.dumps(checks, indent=1))
        asked = {"response_delay_mean", "error_rate", "packet_loss", "packet_duplication", "rate_limit",
                 "connection_refusal", "connection_reset"}
        self.assertLessEqual(asked, set(checks), "what is asked for is checked")
        for kind in asked:
            self.assertGreater(int(checks[kind].get("samples", 0)), 0, f"{kind} was measured")
        self.assertEqual([], [kind for kind, check in checks.items() if check.get("off")], session["verdict"])
        self.assertEqual("tc", checks["packet_loss"]["engine"])
        self.assertEqual("replay path", checks["response_delay_mean"]["engine"])
        self.assertAlmostEqual(50e6, checks["response_delay_mean"]["measured"], delta=10e6)
        self.assertNotIn("OUTCOME_ANOMALY", [self.metric(session, name)["outcome"] for name in
                                             ("response_time_p50", "response_time_p99", "error_rate")])
        self.assert_nothing_left(running.pid, production)
        self.assertEqual(queues, host_queues())

    def test_noise_on_the_path_to_a_dependency_is_injected_and_checked(self):
        dependency = Dependency(1)
        self.addCleanup(dependency.close)
        production = self.start(Caller, dependency)
        load = Wrk(production, rate=100, connections=10)
        self.addCleanup(load.finish, stop=True)
        to = f"127.0.0.1:{dependency.port}"
        noise = {"response_delay_mean": "20ms", "response_delay_stddev": "4ms", "error_rate": "3%", "packet_loss": "0.5%",
                 "packet_duplication": "2%", "rate_limit": "10Mbit", "connection_refusal": "4%", "connection_reset": "2%"}
        documents = self.directory.file("documents.yaml", json.dumps({
            "name": "e2e", "discovery": {"port": production.port, "pid": production.process.pid},
            "shadow": {"sampled_fraction": "100%", "egress": [{"to": to, "delay_mean": "5ms"}]}}) + "\n---\n" + json.dumps({
                "service_descriptor": "e2e", "resource_allocation": {"cpu": "1x production", "memory": "1x production"},
                "noise_parameters": {"dependencies": [{"to": to, "noise_parameters": noise}]}}))
        running = self.start_try("--profile", documents, "--for", "40s", "--budget-cpu", "1", "-o", "json")
        self.assertEqual(0, running.wait(150), running.text())
        session = gnomon.session_of(running)
        checks = {check["kind"]: check for check in session["status"]["noise_checks"]}
        print(json.dumps(checks, indent=1), session["status"]["noise_engine"])
        self.assertEqual({to}, {check.get("dependency") for check in checks.values()})
        self.assertEqual(set(noise) - {"response_delay_distribution"}, set(checks))
        for kind, check in checks.items():
            self.assertGreater(int(check.get("samples", 0)), 0, f"{kind} was measured")
            self.assertFalse(check.get("off", False), check)
        self.assertAlmostEqual(20e6, checks["response_delay_mean"]["measured"], delta=4e6)
        # The service waits for it, in treatment alone: the rule's own 5 ms are in both.
        shift = self.metric(session, "service_time_p50")
        self.assertGreater(shift["shift"], 15e6)
        self.assertGreater(shift["control"], 5e6)
        self.assertNotEqual("OUTCOME_ANOMALY", shift["outcome"], "reported, not predicted")
        self.assert_nothing_left(running.pid, production)

    def test_what_the_node_cannot_inject_ends_the_session_with_the_remedy(self):
        probe = machine.NetworkNamespace()
        self.addCleanup(probe.remove)
        if subprocess.run([*probe.enter(), "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"], check=False,
                          stderr=subprocess.DEVNULL).returncode == 0:
            self.skipTest("this kernel has netem")
        production = self.start(Nginx, cgroup=(500, 128 << 20))
        running = self.start_try("--port", "8080", "--pid", str(production.process.pid), "--profile",
                                 self.profile(noise={"packet_reordering": "1%"}), "--for", "30s")
        self.assertNotEqual(0, running.wait(60), running.text())
        self.assertRegex(running.text(), r"packet_reordering: this node has no netem .*modprobe sch_netem")
        self.assert_nothing_left(running.pid, production)

    def test_kill_9_leaves_no_noise_behind(self):
        queues, programs = host_queues(), packet_programs()
        production = self.start(Nginx, cgroup=(500, 128 << 20))
        load = Wrk(production, rate=200)
        self.addCleanup(load.finish, stop=True)
        running = self.start_try("--port", "8080", "--pid", str(production.process.pid), "--fraction", "100%", "--profile",
                                 self.profile(noise={"packet_loss": "20%", "rate_limit": "1Mbit"}), "--for", "120s")
        running.wait_for(lambda: running.said(r"treatment \d+/"), "a block with noise", 60)
        self.assertNotEqual(set(), packet_programs() - programs, "there was noise to remove")
        running.process.send_signal(signal.SIGKILL)
        running.wait()
        machine.wait_until(lambda: not production.shadow_pids(), "the shadow dies with its agent")
        self.assertEqual(queues, host_queues())
        machine.wait_until(lambda: packet_programs() <= programs, "the packet programs go with their namespaces")
        self.assertEqual(0, gnomon.run(gnomon.program("gnomon"), "cleanup").returncode)
        self.assert_nothing_left(running.pid, production)
        load.finish(stop=True)
        self.assertEqual((0, 0), load.failures(), load.output)


class NoiseAtRunTime(ThreeProgramsCase):
    needs = ThreeProgramsCase.needs + ("wrk",)

    def test_noise_is_changed_while_a_session_runs(self):
        _, agent, identifier = self.start_session_under_load("60s")

        def status():
            return self.status(identifier)

        self.assertEqual([], status().get("noise_checks", []))
        wrong = self.gnomon("adjust", "session", identifier, "--delay-mean", "50")
        self.assertNotEqual(0, wrong.returncode)
        self.assertIn("response_delay_mean", wrong.stderr)
        changed = self.gnomon("adjust", "session", identifier, "--delay-mean", "30ms", "--error-rate", "5%")
        self.assertEqual(0, changed.returncode, changed.stderr)
        self.assertIn("delay 30ms", changed.stdout)

        def measured():
            checks = {check["kind"]: check for check in status().get("noise_checks", [])}
            return checks if checks and int(checks["response_delay_mean"].get("samples", 0)) > 0 else None

        checks = agent.wait_for(measured, "the new noise is measured", 60)
        self.assertAlmostEqual(30e6, checks["response_delay_mean"]["measured"], delta=10e6)
        self.assertFalse(checks["response_delay_mean"].get("off", False), checks)
        pairs = [block.get("pair", 0) for block in self.session(identifier)["spec"]["blocks"]]
        self.assertIn(-1, pairs, "what ran before the change is not compared with it")
        self.assertIn("response delay mean", self.gnomon("describe", "session", identifier).stdout)
        stopped = self.gnomon("stop", "session", identifier)
        self.assertEqual(0, stopped.returncode, stopped.stderr)
