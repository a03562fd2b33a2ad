"""Responses are compared in each protocol that is read: what is the same counts as that, and what a shadow says otherwise
as what differs. Each service's copy begins with other data than production has by then."""

import os
import re
import shutil
import tempfile

import gnomon
import machine
from case import Case
from protocols_test import Protocols
from services import Grpc, Memcached, Namespace, NginxHttp2, Postgres, Redis, resp_reply, say

TIMES = 20


class Compared(Protocols):
    def compare(self, production, first, traffic, arrived, *arguments):
        """Of each class of endpoint: outcome to count."""
        session = self.replay(production, first, traffic, arrived, "--compare-responses", "body", *arguments)
        return {of.pop("endpoint"): {outcome: int(count) for outcome, count in of.items() if int(count)}
                for of in session["status"].get("responses", [])}


class RedisResponses(Compared):
    needs = Case.needs + ("redis-server",)

    def test_errors_sizes_and_values_are_told_apart(self):
        production = self.start(Redis, cgroup=(500, 256 << 20))
        long = "x" * 100000

        def ask(connection, replies, *commands):
            """Pipelined, where they are several."""
            for command in commands:
                say(connection, *command)
            return [resp_reply(replies) for _ in commands]

        with production.connect() as connection, connection.makefile("rb") as replies:
            ask(connection, replies, ("SET", "same", "hello"), ("SET", "status", "text"), ("SET", "size", "short"),
                ("SET", "body", "here"), ("HSET", "hash", "long", long), ("RPUSH", "list", *range(5000)), ("SAVE",))

        def traffic():
            with production.connect() as connection, connection.makefile("rb") as replies:
                ask(connection, replies, ("DEL", "status", "body"), ("RPUSH", "status", "a"), ("SET", "size", "much longer"))
                for _ in range(TIMES):
                    self.assertEqual([b"hello", b"PONG"], ask(connection, replies, ("GET", "same"), ("PING",)))
                    self.assertIsInstance(ask(connection, replies, ("STRLEN", "status"))[0], RuntimeError)
                    self.assertEqual([b"much longer"], ask(connection, replies, ("GETRANGE", "size", 0, -1)))
                    self.assertEqual([long.encode()], ask(connection, replies, ("HGET", "hash", "long")))
                    for command in (("SELECT", 0), ("MULTI",), ("GET", "same")):
                        ask(connection, replies, command)
                    self.assertEqual([[b"hello"]], ask(connection, replies, ("EXEC",)))
                    self.assertEqual(5000, len(ask(connection, replies, ("LRANGE", "list", 0, -1))[0]))
                    self.assertEqual([0], ask(connection, replies, ("EXISTS", "body")))  # taken up again after that

        outcomes = self.compare(production, lambda: self.say_first(production), traffic,
                                lambda pid: production.calls(pid).get("exists", 0) == TIMES)
        self.assertEqual({"ECHO": {"same": 1}, "GET": {"same": TIMES}, "PING": {"same": TIMES},
                          "STRLEN": {"other_status": TIMES}, "GETRANGE": {"other_size": TIMES}, "HGET": {"same": TIMES},
                          "LRANGE": {"truncated": TIMES}, "MULTI": {"same": TIMES}, "EXISTS": {"other_body": TIMES}}, outcomes)

    def say_first(self, production):
        with production.connect() as connection, connection.makefile("rb") as replies:
            say(connection, "ECHO", "first")
            self.assertEqual(b"first", resp_reply(replies))


class MemcachedResponses(Compared):
    needs = Case.needs + ("memcached",)

    def test_hits_misses_and_numbers_are_told_apart(self):
        production = self.start(Memcached, cgroup=(500, 256 << 20))
        big = b"x" * 50000

        def traffic():
            with production.connect() as connection, connection.makefile("rb") as replies:
                def ask(said, *expected):
                    connection.sendall(said)
                    for line in expected:
                        self.assertEqual(line + b"\r\n", replies.readline())

                ask(b"add count 0 0 1\r\n3\r\n", b"NOT_STORED")  # as it is 5; the copy has none
                ask(b"set big 0 0 50000\r\n" + big + b"\r\n", b"STORED")
                for _ in range(TIMES):
                    ask(b"set new 0 0 5 noreply\r\nhello\r\nmg new v q\r\nmg none v q\r\nmn\r\n", b"VA 5", b"hello", b"MN")
                    ask(b"get new old\r\n", b"VALUE new 0 5", b"hello", b"VALUE old 0 5", b"hello", b"END")
                    ask(b"mg big v\r\n", b"VA 50000", big)
                    ask(b"incr old_count 1\r\n" b"gat 0 big\r\n", b"CLIENT_ERROR cannot increment or decrement non-numeric value",
                        b"VALUE big 0 50000", big, b"END")
                    ask(b"decr count 0\r\n", b"5")

        with production.connect() as connection, connection.makefile("rb") as replies:
            for said in (b"set old 0 0 5\r\nhello\r\n", b"set count 0 0 1\r\n5\r\n", b"set old_count 0 0 1\r\nx\r\n"):
                connection.sendall(said)
                self.assertEqual(b"STORED\r\n", replies.readline())
        writes = [word for name in ("add", "set", "incr", "gat", "decr") for word in ("--replay-writes", name)]
        outcomes = self.compare(production, production.greet, traffic,
                                lambda pid: production.stats(pid)["decr_hits"] == str(TIMES).encode(), *writes)
        self.assertEqual({"version": {"same": 1}, "add": {"other_status": 1}, "set": {"same": TIMES + 1},
                          "mg": {"same": 2 * TIMES}, "get": {"other_size": TIMES}, "incr": {"other_status": TIMES},
                          "gat": {"same": TIMES}, "decr": {"other_body": TIMES}}, outcomes)


class PostgresResponses(Compared):
    needs = Case.needs + ("setpriv",)

    def test_errors_rows_and_their_number_are_told_apart(self):
        if not Postgres.PROGRAMS:
            self.skipTest("needs PostgreSQL's server (package postgresql)")
        production = self.start(Postgres, cgroup=(500, 256 << 20))
        self.run_sql(production, "CREATE TABLE fixed AS SELECT 'row ' || g AS a FROM generate_series(1, 20) g",
                     "CREATE TABLE many AS SELECT g AS a FROM generate_series(1, 5000) g",
                     "CREATE TABLE growing AS SELECT 1 AS a", "CREATE VIEW number AS SELECT count(*) FROM growing",
                     "CREATE TABLE last AS SELECT 0 AS a",
                     "CREATE VIEW failing AS SELECT 1 / (2 - count(*)) AS a FROM growing", "VACUUM ANALYZE", "CHECKPOINT")

        def traffic():
            self.run_sql(production, "INSERT INTO growing VALUES (2)")
            again = ["SELECT a FROM fixed", "SELECT a FROM growing", "SELECT count FROM number", "SELECT a FROM many",
                     "BEGIN READ ONLY; SELECT a FROM fixed; COMMIT", "SELECT a FROM failing"] * TIMES + ["SELECT a FROM last"]
            answered = self.run_sql(production, *again, check=False)
            self.assertEqual(TIMES, answered.stderr.count("division by zero"), answered.stderr)

        def arrived(pid):
            query = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'last'"
            return int(self.run_sql(production, query, pid=pid).stdout or 0) >= 1

        outcomes = self.compare(production, lambda: self.run_sql(production, "SELECT 1"), traffic, arrived)
        self.assertEqual({"SELECT": {"same": 1}, "SELECT fixed": {"same": TIMES}, "SELECT growing": {"other_size": TIMES},
                          "SELECT number": {"other_body": TIMES}, "SELECT many": {"truncated": TIMES},
                          "BEGIN SELECT fixed": {"same": TIMES}, "SELECT failing": {"other_status": TIMES},
                          "SELECT last": {"same": 1}}, outcomes)

    def run_sql(self, production, *statements, pid=None, check=True):
        arguments = [argument for statement in statements for argument in ("-c", statement)]
        answered = production.client("psql", "-XAt", *arguments, "postgres", network=Namespace(pid) if pid else None)
        if check:
            self.assertEqual(0, answered.returncode, answered.stderr)
        return answered


class NginxAndFiles(NginxHttp2):
    """Some of its files a shadow does not see, as they are where nobody's are copied."""

    def __init__(self, *arguments, **options):
        self.hidden = tempfile.mkdtemp(prefix=machine.unique("h"), dir="/dev/shm")
        os.chmod(self.hidden, 0o755)
        files = [f"location = /{name} {{{{ root {self.hidden}; {otherwise} }}}}" for name, otherwise in
                 (("status", ""), ("size", "error_page 404 =200 /index.html;"), ("body", "error_page 404 =200 /other.html;"))]
        self.CONFIG = NginxHttp2.CONFIG.replace("location = /broken {{ return 503; }}", "\n    ".join(files))
        super().__init__(*arguments, **options)

    def command(self):
        for name in ("status", "size", "body"):
            with open(os.path.join(self.hidden, name), "w", encoding="utf-8") as file:
                file.write(f"this is {name}\n")
        command = super().command()
        self.directory.file("site/other.html", "this is what\n")
        self.directory.file("site/large.html", "<p>hello</p>\n" * 20000)
        return command

    def stop(self):
        super().stop()
        shutil.rmtree(self.hidden, ignore_errors=True)


class Http2Responses(Compared):
    needs = Case.needs + ("nginx", "h2load", "curl")

    def test_responses_that_interleave_are_told_apart(self):
        production = self.start(NginxAndFiles, cgroup=(500, 256 << 20))
        url = f"http://127.0.0.1:{production.port}"

        def load(path, requests, connections=1, at_once=1):
            load = gnomon.run(*production.network.enter(), "h2load", "-n", str(requests), "-c", str(connections), "-m",
                              str(at_once), url + path)
            self.assertIn(f"{requests} succeeded", load.stdout)

        def traffic():
            load("/", 400, connections=4, at_once=10)
            for path in ("/status", "/size", "/body"):
                load(path, TIMES, at_once=4)
            load("/large.html", TIMES)

        total = 1 + 400 + 4 * TIMES
        outcomes = self.compare(production, lambda: load("/", 1), traffic,
                                lambda pid: production.logged(f"/proc/{pid}/root") == total, "--compare-bytes", "64Ki")
        # What follows the middle of a large one is taken up again with the next request's; its size is in its header.
        self.assertEqual({"GET /": {"same": 401}, "GET /status": {"other_status": TIMES}, "GET /size": {"other_size": TIMES},
                          "GET /body": {"other_body": TIMES}, "GET /large.html": {"same": TIMES}}, outcomes)


class GrpcResponses(Compared):
    def test_messages_and_statuses_are_told_apart(self):
        production = self.start(Grpc, cgroup=(500, 256 << 20))
        address = f"127.0.0.1:{production.port}"
        documents = [self.directory.file("service.yaml", "name: shop\ndiscovery:\n  port: 1\n"),
                     self.directory.file("shop.profile.json", '{"service_descriptor": "shop"}')]

        def call(*arguments, status=0):
            asked = gnomon.run(*production.network.enter(), gnomon.program("gnomon"), "--coordinator", address, *arguments)
            self.assertEqual(status, asked.returncode, asked.stderr)
            return asked.stdout

        def traffic():
            # Which is not replayed: the copy knows of no service, and of no session that waits for a node.
            applied = call("apply", "-f", documents[0], "-f", documents[1])
            session = re.search(r"session (\S+) started", applied)[1]
            for _ in range(TIMES):
                call("get", "nodes")
                call("get", "services")
                call("describe", "session", session)
            call("describe", "session", "s-none", status=1)

        method = "/gnomon.v1.QueryService/"
        writes = [word for name in ("ListNodes", "ListServices", "GetSession")
                  for word in ("--replay-writes", method + name)]
        outcomes = self.compare(production, lambda: call("get", "nodes"), traffic, lambda pid: True, *writes)
        self.assertEqual({method + "ListNodes": {"same": TIMES + 1}, method + "ListServices": {"other_size": TIMES},
                          method + "GetSession": {"other_status": TIMES, "same": 1}}, outcomes)
