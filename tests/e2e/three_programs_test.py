"""Restarting an agent or a coordinator loses no session."""

import signal

from clients import Wrk
from production import Nginx
from three_programs import ThreeProgramsCase


class ThreePrograms(ThreeProgramsCase):
    needs = ThreeProgramsCase.needs + ("wrk",)

    def test_session_completes_and_is_described(self):
        production = self.start(Nginx, cgroup=(500, 128 << 20))
        load = Wrk(production, rate=200)
        self.addCleanup(load.finish, stop=True)
        self.start_coordinator()
        agent = self.start_agent()
        identifier = self.apply(production, "20s")
        self.wait_for_state(identifier, "SESSION_STATE_COMPLETED", agent)
        session = self.session(identifier)
        self.assertIn(session["verdict"]["outcome"],
                      ("OUTCOME_AS_EXPECTED", "OUTCOME_ANOMALY", "OUTCOME_INCONCLUSIVE"))
        self.assertEqual(3, self.metric(session, "response_time_p50")["pairs"])
        for what, name in (("nodes", "node-1"), ("services", "e2e"), ("profiles", "e2e-"), ("sessions", identifier)):
            listed = self.gnomon("get", what)
            self.assertEqual(0, listed.returncode, listed.stderr)
            self.assertIn(name, listed.stdout, f"get {what}")
        self.assertIn(identifier, self.gnomon("describe", "session", identifier).stdout)
        self.assertRegex(session["status"]["oci_runtime"], r"^/.*/c?runc?$")
        progress = session["status"]["progress"]
        self.assertEqual(progress["planned_ms"], progress["done_ms"], "all of it")
        self.assertEqual(7, progress["pauses"], "after the warm-up and after each block")
        self.assertGreater(int(progress["besides_ms"]), 0)
        self.assertNotIn("activity", progress)
        unknown = self.gnomon("describe", "session", "s-none")
        self.assertNotEqual(0, unknown.returncode)
        self.assertEqual(1, len(unknown.stderr.splitlines()), unknown.stderr)
        self.finish(production)

    def test_session_survives_kill_9_of_the_agent(self):
        production = self.start(Nginx, cgroup=(500, 128 << 20))
        load = Wrk(production, rate=200)
        self.addCleanup(load.finish, stop=True)
        self.start_coordinator()
        agent = self.start_agent()
        identifier = self.apply(production, "20s")
        agent.wait_for(lambda: self.session(identifier).get("status", {}).get("completed_blocks"), "a block is completed", 60)
        agent.process.send_signal(signal.SIGKILL)
        agent.wait()
        agent = self.start_agent()
        self.wait_for_state(identifier, "SESSION_STATE_COMPLETED", agent, 90)
        session = self.session(identifier)
        self.assertEqual(list(range(6)), sorted(session["status"]["completed_blocks"]), "every block once")
        self.assertEqual(3, self.metric(session, "response_time_p50")["pairs"])
        self.finish(production)
        load.finish(stop=True)
        self.assertEqual((0, 0), load.failures(), load.output)

    def test_session_survives_a_restart_of_the_coordinator(self):
        production = self.start(Nginx, cgroup=(500, 128 << 20))
        load = Wrk(production, rate=200)
        self.addCleanup(load.finish, stop=True)
        coordinator = self.start_coordinator()
        agent = self.start_agent()
        identifier = self.apply(production, "20s")
        agent.wait_for(lambda: self.session(identifier).get("status", {}).get("completed_blocks"), "a block is completed", 60)
        coordinator.process.send_signal(signal.SIGKILL)
        coordinator.wait()
        self.start_coordinator()
        self.wait_for_state(identifier, "SESSION_STATE_COMPLETED", agent, 90)
        session = self.session(identifier)
        self.assertEqual(list(range(6)), sorted(session["status"]["completed_blocks"]))
        self.assertEqual(3, self.metric(session, "response_time_p50")["pairs"])
        self.finish(production)

    def test_adjusting_a_running_session_changes_what_is_sampled(self):
        production = self.start(Nginx, cgroup=(500, 128 << 20))
        load = Wrk(production, rate=200, header="Connection: close")  # the dice are thrown once a connection
        self.addCleanup(load.finish, stop=True)
        self.start_coordinator()
        agent = self.start_agent()
        identifier = self.apply(production, "40s")

        def sampled():
            return self.session(identifier).get("status", {}).get("sampled_fraction", 0)

        agent.wait_for(lambda: sampled() > 0.9, "all is sampled", 60)
        adjusted = self.gnomon("adjust", "session", identifier, "--sampled-fraction", "10%")
        self.assertEqual(0, adjusted.returncode, adjusted.stderr)
        agent.wait_for(lambda: 0 < sampled() < 0.5, "less is sampled", 60)
        refused = self.gnomon("adjust", "session", identifier, "--sampled-fraction", "120%")
        self.assertNotEqual(0, refused.returncode)
        self.assertIn("120%", refused.stderr)
        unknown = self.gnomon("adjust", "session", "s-none", "--sampled-fraction", "10%")
        self.assertNotEqual(0, unknown.returncode)

    def test_programs_end_with_0_on_sigterm(self):
        coordinator, agent = self.start_coordinator(), self.start_agent()
        agent.wait_for(lambda: "node-1" in self.gnomon("get", "nodes").stdout, "the node is known")
        for running in (agent, coordinator):
            running.process.send_signal(signal.SIGTERM)
            self.assertEqual(0, running.wait(15), running.text())
        self.assert_nothing_left(agent.pid, state_root=self.state_root)
