"""A session ends when it costs production more than it may, and begins when its shadow is ready for it."""

import json
import re

import gnomon
from case import Case
from clients import Wrk
from dependencies import Caller, Dependency
from production import Production


class Sleeper(Production):
    """Takes `milliseconds` for each request, without CPU; `slow` ones at first, and fewer until it is `youth` seconds old."""

    def __init__(self, milliseconds, youth=0, slow=0):
        self.times = str(milliseconds), str(youth), str(slow)
        super().__init__((1000, 256 << 20))

    def command(self):
        return ["/usr/bin/python3", "-B", self.server("sleeper.py"), str(self.port), *self.times]


class Budget(Case):
    needs = Case.needs + ("wrk",)

    def run_session(self, production, *arguments, prefix=(), status=0, seconds=200):
        running = gnomon.Running([*prefix, gnomon.program("gnomon"), "try", "--port", str(production.port), "--pid",
                                  str(production.process.pid), "--fraction", "100%", "-o", "json", *arguments])
        self.addCleanup(running.end)
        self.assertEqual(status, running.wait(seconds), running.text())
        session = gnomon.session_of(running)
        print(json.dumps(session["status"].get("production_cost"), indent=1), session["status"].get("message"),
              session["status"].get("warm_up"))
        self.assert_nothing_left(running.pid, production)
        return session

    def test_a_shadow_that_costs_production_ends_with_the_figures(self):
        # Its descriptor lets it use what production uses, which serves one caller at a time.
        dependency = Dependency(5)
        self.addCleanup(dependency.close)
        production = self.start(Caller, dependency)
        load = Wrk(production, rate=50, connections=10, seconds=240)
        self.addCleanup(load.finish, stop=True)
        documents = self.directory.file("documents.yaml", f"""name: e2e
discovery: {{port: {production.port}, pid: {production.process.pid}}}
shadow: {{sampled_fraction: 100%, egress: [{{to: "127.0.0.1:{dependency.port}"}}]}}
---
service_descriptor: e2e
resource_allocation: {{cpu: 1x production, memory: 1x production}}
testing_scenarios: [simulated_peak_load_2x]
""")
        session = self.run_session(production, "--profile", documents, "--for", "90s", "--budget-cpu", "1", status=1)
        cost = session["status"]["production_cost"]
        self.assertTrue(cost["exceeded"])
        self.assertAlmostEqual(0.02, cost["bound"])
        self.assertGreater(int(cost["p99_on_ns"]), int(cost["p99_off_ns"]))
        told = re.search(r"^ended: production's (p99|slow requests \(p90 to p99\)) \+\d+(\.\d)?% \(\+(\d+(\.\d)?)% to .+\) with the "
                         r"shadow on, bound 2%: .+ against .+ in \d+ pauses", session["status"]["message"])
        self.assertTrue(told, session["status"]["message"])
        self.assertGreaterEqual(float(told[3]), 2, "not before it is certain")
        self.assertLess(len(session["status"].get("completed_blocks", [])), len(session["spec"]["blocks"]))

    def test_a_shadow_that_costs_production_nothing_goes_on_to_the_end(self):
        production = self.start(Sleeper, 30)
        load = Wrk(production, rate=150, connections=20, seconds=240)
        self.addCleanup(load.finish, stop=True)
        profile = self.profile(["simulated_peak_load_2x"], cpu="0.5x production", memory="1x production")
        session = self.run_session(production, "--profile", profile, "--for", "60s", "--max-production-cost", "10%")
        cost = session["status"]["production_cost"]
        self.assertFalse(cost.get("exceeded", False))
        self.assertGreaterEqual(cost["pauses"], 12)
        self.assertGreater(cost["p99_ratio_high"], 0)
        self.assertEqual(len(session["spec"]["blocks"]), len(session["status"]["completed_blocks"]))
        tap = session["tap"]
        self.assertGreater(int(tap["paused_bytes"]), 0, "nothing is copied in pauses")
        for loss in ("lost_bytes", "holes", "broken_streams", "truncated_requests"):
            self.assertEqual(0, int(tap.get(loss, 0)), loss)

    def test_the_warm_up_lasts_until_the_shadows_latency_is_steady(self):
        production = self.start(Sleeper, 5, youth=7, slow=80)
        load = Wrk(production, rate=100, connections=20, seconds=240)
        self.addCleanup(load.finish, stop=True)
        session = self.run_session(production, "--for", "15s", "--max-production-cost", "off")
        told = session["status"]["warm_up"]
        self.assertRegex(told, r"^steady after ")
        medians = re.search(r"medians (.+)$", told).group(1).split(", ")
        self.assertEqual(3, len(medians), told)
        for median in medians:
            value, unit = median.split(" ")
            self.assertEqual("ms", unit, told)
            self.assertLess(float(value), 20, f"the shadow was still young: {told}")
        self.assertEqual(0, session["status"]["production_cost"].get("bound", 0))
