"""What production receives, its shadow receives: every body byte for byte, each exactly once."""

import collections
import signal

import gnomon
from case import Case
from clients import send_bodies
from machine import wait_until
from production import NodeRecorder, Nginx, PythonRecorder


class Bodies(Case):
    def check(self, server):
        production = self.start(server, cgroup=(500, 256 << 20))
        profile = self.profile(["simulated_peak_load_1x"], cpu="1x production", memory="1x production")
        # Blocks of 25 s: all bodies go out within the first one, which replays each of them once.
        running = self.start_try("--port", "8080", "--pid", str(production.process.pid), "--fraction", "100%",
                                 "--profile", profile, "--replay-writes", "*", "--for", "600s", "-o", "json")
        running.wait_for(lambda: running.said("warming up"), "warming up")
        sent = send_bodies(production, seed=1, connections=1, requests=1, largest=1000)
        running.wait_for(lambda: running.said(r"(control|treatment) 1/"), "first block")
        sent += send_bodies(production, seed=2)

        shadow = production.shadow_pids()
        self.assertEqual(1, len(shadow), "one shadow")
        root = f"/proc/{shadow[0]}/root"
        running.wait_for(lambda: len(production.recorded(root)) >= sum(sent.values()), "shadow received everything")
        self.assertEqual(sent, collections.Counter(production.recorded()), "what production recorded")
        self.assertEqual(sent, collections.Counter(production.recorded(root)), "what the shadow recorded")

        # The shadow has received the last body; the two lines that follow come a second apart, so that its answer counts.
        lines = running.text().count("\n")
        running.wait_for(lambda: running.text().count("\n") >= lines + 2, "two more seconds")
        running.process.send_signal(signal.SIGINT)
        self.assertEqual(0, running.wait(60), running.text())
        session = gnomon.session_of(running)
        count = sum(sent.values())
        tap, replay = session["tap"], session["replay"]
        self.assertEqual(count, int(tap["requests"]))
        for lost in ("lost_records", "lost_bytes", "broken_streams", "unparsable_streams", "truncated_requests",
                     "oversized_requests"):
            self.assertEqual(0, int(tap.get(lost, 0)), lost)
        self.assertEqual(count, int(replay["offered"]))
        self.assertEqual(count, int(replay["copies"]))
        self.assertEqual(count, int(replay["answered"]))
        self.assert_nothing_left(running.pid, production)
        self.assertEqual(sent, collections.Counter(production.recorded()), "the shadow wrote into production's files")

    def test_nginx(self):
        self.check(Nginx)

    def test_python_http_server(self):
        self.check(PythonRecorder)

    def test_node(self):
        self.check(NodeRecorder)
