"""A session follows production over a restart, or ends and says why."""

import threading

import gnomon
from case import Case
from clients import Wrk, read_response
from production import Nginx
from three_programs import free_port


class Clients:
    """Ask again and again, on connections that are made anew when they end (wrk gives up one that is refused)."""

    def __init__(self, production, count=10, pause=0.05):
        self.production, self.pause, self.ended = production, pause, threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.ended.wait(self.pause):
            try:
                with self.production.connect() as connection:
                    buffer = b""
                    while not self.ended.wait(self.pause):
                        connection.sendall(b"GET / HTTP/1.1\r\nHost: e2e\r\n\r\n")
                        _, buffer = read_response(connection, buffer)
            except (OSError, AssertionError):
                pass  # it restarts

    def finish(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()


class Restart(Case):
    needs = Case.needs + ("wrk",)

    def test_a_session_goes_on_with_the_process_that_takes_productions_place(self):
        production = self.start(Nginx, cgroup=(500, 128 << 20), user_port=free_port())
        load = Clients(production)
        self.addCleanup(load.finish)
        # Found by its port alone: a process id would name one that is gone.
        running = self.start_try("--port", str(production.port), "--fraction", "100%", "--for", "20s",
                                 "-o", "json")
        running.wait_for(lambda: running.said(r"(control|treatment) 2/"), "second block", 60)
        former = production.process.pid
        production.restart()
        self.assertEqual(0, running.wait(120), running.text())
        session = gnomon.session_of(running)
        self.assertEqual(f"production's process {former} has ended, {production.process.pid} has taken its place",
                         session["status"].get("message"))
        self.assertEqual("SESSION_STATE_COMPLETED", session["status"]["state"])
        self.assertEqual(list(range(6)), sorted(session["status"]["completed_blocks"]), "every block is there")
        self.assertEqual(3, self.metric(session, "response_time_p50")["pairs"])
        self.assert_nothing_left(running.pid, production)

    def test_a_session_ends_when_the_process_that_it_was_given_does(self):
        production = self.start(Nginx, cgroup=(500, 128 << 20))
        load = Wrk(production, rate=200)
        self.addCleanup(load.finish, stop=True)
        running = self.start_try("--port", "8080", "--pid", str(production.process.pid), "--fraction", "100%", "--for", "60s")
        running.wait_for(lambda: running.said(r"(control|treatment) 1/"), "first block", 60)
        former = production.process.pid
        production.restart()
        self.assertNotEqual(0, running.wait(60), running.text())
        self.assertRegex(running.text(), f"production's process {former} has ended, and the descriptor names it")
        self.assert_nothing_left(running.pid, production)
