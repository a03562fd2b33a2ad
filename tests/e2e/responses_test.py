"""Responses of production and its shadow are compared where that is asked for: each request has one outcome."""

import http.client

from production import Nginx, Production
from protocols_test import Protocols

REQUESTS = 25  # of each path


class Mirror(Production):
    def command(self):
        return ["/usr/bin/python3", "-B", self.server("mirror.py"), str(self.port)]


class FileServer(Nginx):
    """Sends files by sendfile()."""

    CONFIG = Nginx.CONFIG.replace("access_log off;", "access_log off; sendfile on; tcp_nopush on;")

    def command(self):
        command = super().command()
        for name, bytes_each in (("first", 5), ("small", 7), ("large", 90)):
            self.directory.file(f"site/{name}", "".join(f"{i:0{bytes_each}}" for i in range(1000)))
        return command


class Responses(Protocols):
    def ask(self, production, count=REQUESTS):
        connection = http.client.HTTPConnection("127.0.0.1", production.port)
        connection.sock = production.connect()
        for _ in range(count):
            for path in ("/same", "/status", "/size", "/body"):
                connection.request("GET", path)
                self.assertEqual((200, 3000), (lambda answer: (answer.status, len(answer.read())))(connection.getresponse()))
        connection.close()

    def outcomes(self, *arguments):
        """Of each class of endpoint, but for the requests that ended the warm-up: outcome to count."""
        production = self.start(Mirror, cgroup=(500, 128 << 20))

        def first():
            with production.connect() as connection:
                connection.sendall(b"GET /first HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                while connection.recv(4096):
                    pass

        session = self.replay(production, first, lambda: self.ask(production), lambda pid: True, *arguments)
        self.assertEqual(4 * REQUESTS + 1, int(session["replay"]["answered"]))
        return session, {of.pop("endpoint"): {outcome: int(count) for outcome, count in of.items() if int(count)}
                         for of in session["status"].get("responses", []) if of["endpoint"] != "GET /first"}

    def test_what_differs_is_counted_by_class_of_endpoint(self):
        session, outcomes = self.outcomes("--compare-responses", "body")
        self.assertEqual({"GET /same": {"same": REQUESTS}, "GET /status": {"other_status": REQUESTS},
                          "GET /size": {"other_size": REQUESTS}, "GET /body": {"other_body": REQUESTS}}, outcomes)
        self.assertGreater(int(session["tap"]["response_bytes"]), 4 * REQUESTS * 3000)

    def test_statuses_and_sizes_are_compared_without_bodies(self):
        _, outcomes = self.outcomes("--compare-responses", "status")
        self.assertEqual({"GET /same": {"same": REQUESTS}, "GET /status": {"other_status": REQUESTS},
                          "GET /size": {"other_size": REQUESTS}, "GET /body": {"same": REQUESTS}}, outcomes)

    def test_nothing_of_them_is_captured_unless_it_is_asked_for(self):
        session, outcomes = self.outcomes()
        self.assertEqual({}, outcomes)
        self.assertEqual(0, int(session["tap"].get("response_bytes", 0)))

    def test_bodies_from_files_are_compared_once_it_is_known_that_they_are_sent_so(self):
        production = self.start(FileServer, cgroup=(500, 128 << 20))

        def ask(*paths):
            connection = http.client.HTTPConnection("127.0.0.1", production.port)
            connection.sock = production.connect()
            for path in paths:
                connection.request("GET", path)
                self.assertEqual(200, (lambda answer: (answer.status, answer.read())[0])(connection.getresponse()))
            connection.close()

        paths = ("/small", "/large", "/") * REQUESTS
        session = self.replay(production, lambda: ask("/first"), lambda: ask(*paths), lambda pid: True,
                              "--compare-responses", "body")
        self.assertEqual({of["endpoint"]: {outcome: int(count) for outcome, count in of.items()
                                           if outcome != "endpoint" and int(count)}
                          for of in session["status"]["responses"] if of["endpoint"] != "GET /first"},
                         {f"GET {path}": {"same": REQUESTS} for path in ("/small", "/large", "/")})
        self.assertGreater(int(session["tap"]["response_bytes"]), 2 * REQUESTS * 4000)
        self.assertGreater(int(session["tap"]["response_unreadable_bytes"]), 0, "of the first, by which it was found")
