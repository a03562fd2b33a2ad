"""Sessions that end in every way, one after the other, leave production and the machine as they were."""

import soak
from case import Case


class Soak(Case):
    needs = Case.needs + ("wrk", "tc")

    def test_sessions_killed_at_random_leave_nothing(self):
        result = soak.soak(sessions=8, seed=1)
        self.assertTrue(soak.good(result), result)
