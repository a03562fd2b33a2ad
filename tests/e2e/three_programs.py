"""A coordinator, an agent and the command line as three programs, over a loopback port and a database of the test's own."""

import json
import socket

import gnomon
from case import Case
from clients import Wrk
from production import Nginx


def free_port():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return holder.getsockname()[1]


class ThreeProgramsCase(Case):
    def setUp(self):
        super().setUp()
        self.address = f"127.0.0.1:{free_port()}"
        self.database = self.directory.file("coordinator.db")
        self.state_root = self.directory.file("state")
        self.agents = []

    def start_coordinator(self):
        running = gnomon.Running([gnomon.program("gnomon-coordinator"), "--listen", self.address, "--database",
                                  self.database, "--log-level", "debug"])
        self.addCleanup(running.end)
        running.wait_for(lambda: self.gnomon("get", "nodes").returncode == 0, "the coordinator answers")
        return running

    def start_agent(self):
        running = gnomon.Running([gnomon.program("gnomon-agent"), "--coordinator", self.address, "--node", "node-1",
                                  "--budget-cpu", "1", "--budget-memory", "512Mi", "--state-root", self.state_root,
                                  "--log-level", "debug"])
        self.addCleanup(running.end)
        self.agents.append(running)
        return running

    def gnomon(self, *arguments):
        return gnomon.run(gnomon.program("gnomon"), "--coordinator", self.address, *arguments)

    def asked(self, *arguments):
        answer = self.gnomon(*arguments, "-o", "json")
        self.assertEqual(0, answer.returncode, answer.stderr)
        return json.loads(answer.stdout)

    def session(self, identifier):
        return self.asked("describe", "session", identifier)

    def status(self, identifier):
        return self.session(identifier).get("status", {})

    def state(self, identifier):
        return self.status(identifier).get("state", "")

    def apply(self, production, duration, *more):
        service = self.directory.file("service.yaml", f"""name: e2e
discovery:
  port: 8080
  pid: {production.process.pid}
shadow:
  sampled_fraction: 100%
  replay_writes: ["*"]
  max_production_cost: off
""")
        profile = self.profile(["simulated_peak_load_2x"], cpu="0.5x production", memory="1x production")
        applied = self.gnomon("apply", "-f", service, "-f", profile, "--for", duration, *more)
        self.assertEqual(0, applied.returncode, applied.stderr)
        sessions = self.asked("get", "sessions")["sessions"]
        self.assertEqual(1, len(sessions), sessions)
        return sessions[0]["id"]

    def start_session_under_load(self, duration):
        """A session on nginx under load that runs its blocks: production, the agent, the session's id."""
        production = self.start(Nginx, cgroup=(500, 128 << 20))
        load = Wrk(production, rate=100)
        self.addCleanup(load.finish, stop=True)
        self.start_coordinator()
        agent = self.start_agent()
        identifier = self.apply(production, duration)
        agent.wait_for(lambda: self.status(identifier).get("current_block", -1) >= 0, "the blocks run", 90)
        return production, agent, identifier

    def wait_for_state(self, identifier, state, running, seconds=60):
        running.wait_for(lambda: self.state(identifier) == state, f"session {state}: {self.session(identifier)}", seconds)

    def finish(self, production):
        for running in self.agents:
            running.end()
            self.assert_nothing_left(running.pid, production, self.state_root)
