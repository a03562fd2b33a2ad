"""Production does not notice what happens to Gnomon."""

import signal

import gnomon
from case import Case
from clients import Wrk
from machine import traces_of, wait_until
from production import Nginx


class FailOpen(Case):
    needs = Case.needs + ("wrk",)

    def test_kill_9_harms_no_request_and_cleanup_removes_the_rest(self):
        production = self.start(Nginx, cgroup=(500, 128 << 20))
        load = Wrk(production, rate=500, connections=40)
        self.addCleanup(load.finish, stop=True)
        running = self.start_try("--port", "8080", "--pid", str(production.process.pid), "--fraction", "100%", "--for", "120s")
        running.wait_for(lambda: running.said(r"(control|treatment) 1/"), "first block")
        self.assertNotEqual([], production.shadow_pids(), "there was a shadow to clean up")
        self.assertNotEqual([], traces_of(running.pid), "there were traces to clean up")

        running.process.send_signal(signal.SIGKILL)
        running.wait()
        wait_until(lambda: not production.shadow_pids(), "the shadow dies with its agent")
        found = gnomon.run(gnomon.program("gnomon"), "cleanup", "--check")
        self.assertNotEqual(0, found.returncode, "left-overs are reported")
        self.assertIn(f"{running.pid}-", found.stdout + found.stderr)
        cleaned = gnomon.run(gnomon.program("gnomon"), "cleanup")
        self.assertEqual(0, cleaned.returncode, cleaned.stdout + cleaned.stderr)
        again = gnomon.run(gnomon.program("gnomon"), "cleanup", "--check")
        self.assertNotIn(f"{running.pid}-", again.stdout + again.stderr)
        self.assert_nothing_left(running.pid, production)

        load.finish(stop=True)
        self.assertEqual((0, 0), load.failures(), load.output)
        self.assertGreater(load.requests(), 500)

    def test_ctrl_c_judges_what_there_is_and_leaves_nothing(self):
        production = self.start(Nginx, cgroup=(500, 128 << 20))
        load = Wrk(production, rate=200)
        self.addCleanup(load.finish, stop=True)
        running = self.start_try("--port", "8080", "--pid", str(production.process.pid), "--fraction", "100%", "--for", "120s")
        running.wait_for(lambda: running.said(r"(control|treatment) 1/"), "first block")
        running.process.send_signal(signal.SIGINT)
        self.assertEqual(0, running.wait(30), running.text())
        self.assertRegex(running.text(), r"(?i)inconclusive", "too few blocks are never a pass")
        self.assert_nothing_left(running.pid, production)
        load.finish(stop=True)
        self.assertEqual((0, 0), load.failures(), load.output)

    def test_production_restarts_on_its_port_during_a_session(self):
        # Whoever held a duplicate of its listener would keep the port taken, and clients in a queue that nobody serves.
        production = self.start(Nginx, cgroup=(500, 128 << 20))
        running = self.start_try("--port", "8080", "--pid", str(production.process.pid), "--fraction", "100%", "--for", "120s")
        running.wait_for(lambda: running.said("warming up"), "warming up")
        production.restart()  # fails if the port is still taken
        running.process.send_signal(signal.SIGINT)
        running.wait(30)
        self.assert_nothing_left(running.pid)
