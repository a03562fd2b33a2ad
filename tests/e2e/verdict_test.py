"""The verdict tells what the profile injected from what the shadow could not bear."""

import os
import shutil

import gnomon
from case import Case
from clients import Wrk
from production import Nginx, NodeBurner

EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples/payment_processing_v3.profile.json")


class Verdict(Case):
    needs = Case.needs + ("wrk", "node")

    def run_try(self, production, profile, *arguments):
        running = self.start_try("--port", "8080", "--pid", str(production.process.pid), "--fraction", "100%",
                                 "--profile", profile, "-o", "json", *arguments)
        self.assertEqual(0, running.wait(150), running.text())
        self.assert_nothing_left(running.pid, production)
        return gnomon.session_of(running)

    def test_example_profile_is_as_expected(self):
        # A quarter of a CPU: the example's "2x production" fits any machine's budget, its tenfold load 20 × 30 requests/s.
        production = self.start(Nginx, cgroup=(250, 128 << 20))
        load = Wrk(production, rate=30, connections=10)
        self.addCleanup(load.finish, stop=True)
        session = self.run_try(production, shutil.copy(EXAMPLE, self.directory.path), "--for", "60s", "--budget-cpu", "0.5")
        p50, errors = self.metric(session, "response_time_p50"), self.metric(session, "error_rate")
        message = f"{session['verdict']}"
        self.assertTrue(abs(p50["shift"] - 50e6) <= 2.5e6 or p50["shift_low"] <= 50e6 <= p50["shift_high"], message)
        self.assertAlmostEqual(50e6, p50["expected_shift"], delta=1e6, msg=message)
        self.assertEqual("OUTCOME_AS_EXPECTED", p50["outcome"], message)
        self.assertAlmostEqual(0.01, errors["shift"], delta=0.005, msg=message)
        self.assertEqual("OUTCOME_AS_EXPECTED", errors["outcome"], message)
        # A busy machine may leave a tail too uncertain to tell; beyond what was injected nothing may look wrong.
        self.assertNotIn("OUTCOME_ANOMALY", [metric["outcome"] for metric in session["verdict"]["metrics"]], message)

    def test_a_fifth_of_the_cpu_at_three_times_the_load_is_an_anomaly(self):
        # 250 requests/s × 0.8 ms, and 0.1 to 0.5 ms for HTTP (the machine's speed), of half a CPU: 45 to 65% busy. A fifth of
        # that at three times the load per capacity is overload.
        production = self.start(NodeBurner, 0.8, cgroup=(500, 256 << 20))
        load = Wrk(production, rate=250)
        self.addCleanup(load.finish, stop=True)
        profile = self.profile(["simulated_peak_load_3x"], cpu="0.2x production", memory="1x production")
        session = self.run_try(production, profile, "--for", "60s")
        self.assertEqual("OUTCOME_ANOMALY", session["verdict"]["outcome"], f"{session['verdict']}")
        # Which shows it depends on how far behind the shadow falls: answered late, or not at all before the time-out.
        overload = {self.metric(session, name)["outcome"] for name in ("response_time_p50", "response_time_p99", "error_rate")}
        self.assertIn("OUTCOME_ANOMALY", overload, f"{session['verdict']}")
