"""What clients ask of a service in other protocols than HTTP/1.1 is captured, replayed and answered, errors are told, and
writes are withheld."""

import os
import re
import signal
import sys

import gnomon
from case import Case
from services import Grpc, Memcached, NginxHttp2, Postgres, PostgresWithPassword, Redis, resp_reply, say

HTTP2_REQUEST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "http2_request.py")


class Protocols(Case):
    def replay(self, production, first, traffic, arrived, *arguments):
        """Makes the request `first`, which ends the warm-up, and then `traffic`, in a block that replays each request once,
        until `arrived(pid)` holds of the shadow with that process id; the session as try printed it."""
        profile = self.profile(["simulated_peak_load_1x"], cpu="1x production", memory="1x production")
        running = self.start_try("--port", "8080", "--pid", str(production.process.pid), "--fraction", "100%",
                                 "--profile", profile, "--for", "600s", "-o", "json", *arguments)
        running.wait_for(lambda: running.said("warming up"), "warming up")
        first()
        running.wait_for(lambda: running.said(r"(control|treatment) 1/"), "first block")
        traffic()
        shadow = production.shadow_pids()
        self.assertTrue(shadow, f"a shadow runs: {running.text()}")
        running.wait_for(lambda: arrived(min(shadow)), "the shadow received everything")
        lines = running.text().count("\n")  # a line a second: after two more, all answers are counted
        running.wait_for(lambda: running.text().count("\n") >= lines + 2, "two more seconds")
        running.process.send_signal(signal.SIGINT)
        self.assertEqual(0, running.wait(60), running.text())
        self.assert_nothing_left(running.pid, production)
        return gnomon.session_of(running)

    def check(self, session, requests, errors, withheld=0):
        tap, replay = session["tap"], session["replay"]
        message = f"{tap} {replay}"
        self.assertEqual(requests, int(tap["requests"]), message)
        self.assertEqual(withheld, int(tap.get("withheld_writes", 0)), message)
        for lost in ("lost_records", "lost_bytes", "broken_streams", "unparsable_streams", "truncated_requests",
                     "oversized_requests", "unjoinable_streams"):
            self.assertEqual(0, int(tap.get(lost, 0)), lost)
        for count in ("offered", "copies", "answered"):
            self.assertEqual(requests - withheld, int(replay[count]), f"{count} {message}")
        self.assertEqual(errors, int(replay.get("error_answers", 0)), message)


class RedisProtocol(Protocols):
    needs = Case.needs + ("redis-server",)

    def ask(self, production, *command):
        with production.connect() as connection, connection.makefile("rb") as replies:
            say(connection, *command)
            return resp_reply(replies)

    def test_reads_find_the_copied_data_and_writes_are_withheld(self):
        production = self.start(Redis, cgroup=(500, 128 << 20))
        with production.connect() as connection, connection.makefile("rb") as replies:
            for i in range(100):
                say(connection, "SET", f"key:{i}", "x" * i)
                self.assertEqual(b"OK", resp_reply(replies))
            say(connection, "SAVE")
            self.assertEqual(b"OK", resp_reply(replies))

        def traffic():
            with production.connect() as connection, connection.makefile("rb") as replies:
                say(connection, "SELECT", 0)  # no request of its own: it is said where a request needs it
                self.assertEqual(b"OK", resp_reply(replies))
                for i in range(100):  # in pairs, pipelined
                    say(connection, "STRLEN", f"key:{i}")
                    say(connection, "SET", f"key:{i}", "changed")
                    self.assertEqual([i, b"OK"], [resp_reply(replies), resp_reply(replies)])
                for _ in range(7):
                    say(connection, "LLEN", "key:1")
                    self.assertIsInstance(resp_reply(replies), RuntimeError)

        session = self.replay(production, lambda: self.ask(production, "GET", "key:1"), traffic,
                              lambda pid: production.calls(pid).get("llen", 0) == 7)
        self.check(session, requests=208, errors=7, withheld=100)

    def test_listed_writes_are_replayed_once(self):
        production = self.start(Redis, cgroup=(500, 128 << 20))
        counts = {}

        def traffic():
            with production.connect() as connection, connection.makefile("rb") as replies:
                for _ in range(50):
                    say(connection, "MULTI")
                    say(connection, "INCR", "counter")
                    say(connection, "GET", "counter")
                    say(connection, "EXEC")
                    for _ in range(4):
                        reply = resp_reply(replies)
                for i in range(20):
                    say(connection, "DEL", f"key:{i}")
                    resp_reply(replies)
                self.assertEqual([50, b"50"], reply)

        def arrived(pid):
            counts.update(production.calls(pid))
            return counts.get("exec", 0) == 50

        session = self.replay(production, lambda: self.ask(production, "PING"), traffic, arrived, "--replay-writes", "MULTI")
        self.check(session, requests=71, errors=0, withheld=20)
        self.assertEqual((50, 50, 0), (counts["incr"], counts["get"], counts.get("del", 0)))


class MemcachedProtocol(Protocols):
    needs = Case.needs + ("memcached",)

    def test_quiet_commands_and_writes_are_answered(self):
        production = self.start(Memcached, cgroup=(500, 128 << 20))

        def traffic():
            with production.connect() as connection, connection.makefile("rb") as replies:
                for i in range(50):  # 4 units: the set, the quiet gets that mn ends, the get, the malformed number
                    connection.sendall(b"set key:%d 0 0 5 noreply\r\nhello\r\nmg key:%d v q\r\nmg none v q\r\nmn\r\n" % (i, i))
                    self.assertEqual([b"VA 5\r\n", b"hello\r\n", b"MN\r\n"], [replies.readline() for _ in range(3)])
                    connection.sendall(b"get key:%d none\r\nincr key:%d 1\r\n" % (i, i))
                    self.assertEqual([b"VALUE key:%d 0 5\r\n" % i, b"hello\r\n", b"END\r\n"],
                                     [replies.readline() for _ in range(3)])
                    self.assertTrue(replies.readline().startswith(b"CLIENT_ERROR"))

        session = self.replay(production, production.greet, traffic, lambda pid: production.stats(pid)["get_hits"] == b"100",
                              "--replay-writes", "set", "--replay-writes", "incr")
        self.check(session, requests=201, errors=50)


class Http2Protocol(Protocols):
    needs = Case.needs + ("nginx", "h2load", "curl")

    def test_nginx_in_cleartext(self):
        production = self.start(NginxHttp2, cgroup=(500, 128 << 20))
        url = f"http://127.0.0.1:{production.port}"

        def get(path, status):
            answer = gnomon.run(*production.network.enter(), "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                                "--http2-prior-knowledge", url + path)
            self.assertEqual(status, answer.stdout)

        def traffic():
            load = gnomon.run(*production.network.enter(), "h2load", "-n", "400", "-c", "4", "-m", "10", url + "/")
            self.assertIn("400 succeeded", load.stdout)
            for path, status in (("/broken", "503"), ("/broken", "503"), ("/none", "404")):
                get(path, status)

        session = self.replay(production, lambda: get("/", "200"), traffic,
                              lambda pid: production.logged(f"/proc/{pid}/root") == 404)
        self.check(session, requests=404, errors=2)
        self.assertEqual(404, production.logged(), "the shadow wrote into production's log")


class GrpcProtocol(Protocols):
    def test_a_service_in_cpp(self):
        production = self.start(Grpc, cgroup=(500, 128 << 20))
        address = f"127.0.0.1:{production.port}"

        def call():
            asked = gnomon.run(*production.network.enter(), gnomon.program("gnomon"), "--coordinator", address, "get",
                               "nodes")
            self.assertEqual(0, asked.returncode, asked.stderr)

        def traffic():
            for _ in range(20):
                call()
            for _ in range(3):
                answer = gnomon.run(*production.network.enter(), sys.executable, HTTP2_REQUEST, str(production.port),
                                    "/none.Service/None")
                self.assertEqual(0, answer.returncode, answer.stderr)

        session = self.replay(production, call, traffic, lambda pid: True, "--replay-writes", "*")
        self.check(session, requests=24, errors=3)


class PostgresProtocol(Protocols):
    needs = Case.needs + ("setpriv",)

    def test_reads_find_the_copied_data_and_writes_are_withheld(self):
        if not Postgres.PROGRAMS:
            self.skipTest("needs PostgreSQL's server (package postgresql)")
        production = self.start(Postgres, cgroup=(500, 256 << 20))
        made = production.client("pgbench", "-iq", "-s", "1", "postgres")
        self.assertEqual(0, made.returncode, made.stderr)
        production.client("psql", "-qc", "CHECKPOINT")

        def traffic():
            for mode in ("simple", "prepared"):
                load = production.client("pgbench", "-n", "-S", "-c", "2", "-t", "50", "-M", mode, "postgres")
                self.assertEqual("100/100", re.search(r"processed: (\S+)", load.stdout).group(1), load.stderr)
            for _ in range(3):
                self.assertIn("does not exist", production.client("psql", "-XAtc", "SELECT nothing FROM pgbench_tellers").stderr)
                self.assertEqual("UPDATE 10\n", production.client("psql", "-XAtc", "UPDATE pgbench_tellers SET filler = 'x'").stdout)

        session = self.replay(production, lambda: production.client("psql", "-XAtc", "SELECT 1"), traffic,
                              lambda pid: production.index_scans(pid, "pgbench_accounts") == 200)
        # Of pgbench itself: before each run a count and a look at the catalogue that reads as one that may write, and a
        # statement prepared on each of two connections.
        self.check(session, requests=213, errors=3, withheld=5)

    def test_a_challenge_is_answered_with_the_password_that_the_node_has(self):
        if not Postgres.PROGRAMS:
            self.skipTest("needs PostgreSQL's server (package postgresql)")
        production = self.start(PostgresWithPassword, cgroup=(500, 256 << 20))
        os.mkdir(self.directory.file("credentials"))
        self.directory.file("credentials/e2e", production.PASSWORD + "\n")

        def traffic():
            for _ in range(20):
                self.assertEqual("2\n", production.client("psql", "-XAtc", "SELECT 1 + 1").stdout)

        session = self.replay(production, lambda: production.client("psql", "-XAtc", "SELECT 1"), traffic, lambda pid: True,
                              "--credentials", self.directory.file("credentials"))
        self.check(session, requests=21, errors=0)
