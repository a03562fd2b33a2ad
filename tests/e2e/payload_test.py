"""Payload bytes stay in memory: not on disk, not in logs, not in reports, not with the coordinator."""

import os
import secrets

from clients import read_response
from production import PythonRecorder
from three_programs import ThreeProgramsCase


def holding(marker, *roots):
    """Files under the roots that contain the marker."""
    found = []
    for root in roots:
        paths = [root] if os.path.isfile(root) else [os.path.join(parent, name)
                                                     for parent, _, names in os.walk(root) for name in names]
        for path in paths:
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    if marker in file.read():
                        found.append(path)
    return found


class Payload(ThreeProgramsCase):
    def post(self, production, connection, marker):
        body = marker * 200
        connection.sendall(b"POST /%s HTTP/1.1\r\nHost: e2e\r\nX-Secret: %s\r\nContent-Length: %d\r\n\r\n%s"
                           % (marker, marker, len(body), body))
        self.assertEqual(200, read_response(connection, b"")[0])

    def test_marker_is_found_nowhere(self):
        marker = b"marker-" + secrets.token_hex(16).encode()
        production = self.start(PythonRecorder, cgroup=(500, 128 << 20))
        coordinator, agent = self.start_coordinator(), self.start_agent()
        identifier = self.apply(production, "15s")
        places = [self.directory.path, self.state_root, "/run/gnomon", "/tmp/.gnomon"]
        with production.connect() as connection:
            def posts_until_completed():
                self.post(production, connection, marker)
                return self.state(identifier) == "SESSION_STATE_COMPLETED"

            agent.wait_for(lambda: self.state(identifier) == "SESSION_STATE_WARMING", "warming up")
            self.post(production, connection, marker)
            self.assertEqual([], holding(marker, *places), "while the session runs")
            agent.wait_for(posts_until_completed, "the session completes", 60)
        session = self.session(identifier)
        self.assertGreater(int(session["replay"]["answered"]), 0, "requests with the marker were replayed")
        agent.end()
        coordinator.end()
        self.assertEqual([], holding(marker, *places))
        for running in (agent, coordinator):
            self.assertNotIn(marker.decode(), running.text())
        self.finish(production)

    def test_marker_is_not_in_what_try_prints_or_reports(self):
        marker = b"marker-" + secrets.token_hex(16).encode()
        production = self.start(PythonRecorder, cgroup=(500, 128 << 20))
        report = self.directory.file("report.html")
        running = self.start_try("--port", "8080", "--pid", str(production.process.pid), "--fraction", "100%",
                                 "--replay-writes", "*", "--for", "15s", "--report", report)
        with production.connect() as connection:
            def posts_until_done():
                self.post(production, connection, marker)
                return os.path.exists(report) and os.path.getsize(report) > 0

            running.wait_for(lambda: running.said("warming up"), "warming up")
            running.wait_for(posts_until_done, "the report is written", 60)
        self.assertEqual(0, running.wait(30), running.text())
        self.assertNotIn(marker.decode(), running.text())
        self.assertEqual([], holding(marker, report))
        self.assert_nothing_left(running.pid, production)
