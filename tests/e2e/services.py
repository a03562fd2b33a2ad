"""Production services that speak other protocols than HTTP/1.1, and clients of theirs."""

import glob
import os
import shutil
import socket
import subprocess

import gnomon
from machine import NetworkNamespace
from production import Nginx, Production


class Namespace(NetworkNamespace):
    """The network namespace of a process."""

    def __init__(self, pid):  # pylint: disable=super-init-not-called
        self.path = f"/proc/{pid}/ns/net"


class Redis(Production):
    """Without persistence of its own accord: what SAVE wrote is what a copy begins with."""

    def command(self):
        return ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--protected-mode", "no",
                "--set-proc-title", "no", "--save", "", "--dir", self.directory.path]

    def calls(self, pid=None):
        """How often each command was called, said by the server, or by its copy with that process id."""
        connection = self.connect() if pid is None else connect(Namespace(pid), self.port)
        with connection, connection.makefile("rb") as replies:
            say(connection, "INFO", "commandstats")
            lines = resp_reply(replies).decode().split()
        return {line[len("cmdstat_"):].split(":")[0]: int(line.split("calls=")[1].split(",")[0])
                for line in lines if line.startswith("cmdstat_")}


class Memcached(Production):
    def command(self):
        return ["memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", str(self.port), "-U", "0"]

    def greet(self):
        """A request that changes nothing."""
        with self.connect() as connection, connection.makefile("rb") as replies:
            connection.sendall(b"version\r\n")
            reply = replies.readline()
            if not reply.startswith(b"VERSION"):
                raise AssertionError(f"memcached answered {reply!r} to version")

    def stats(self, pid):
        """Counters of its copy with that process id."""
        with connect(Namespace(pid), self.port) as connection, connection.makefile("rb") as replies:
            connection.sendall(b"stats\r\n")
            return {name.decode(): value for _, name, value in
                    (line.split() for line in iter(replies.readline, b"END\r\n"))}


class Postgres(Production):
    """Of the highest version that is installed, run by the user postgres, for whom there is a database "shop"."""

    PROGRAMS = max(glob.glob("/usr/lib/postgresql/*/bin"), default=None)

    def spawn(self):
        home = self.directory.file("pg")
        if not os.path.exists(home):
            os.mkdir(home, 0o700)
            shutil.chown(home, "postgres", "postgres")
            self.initialise(f"{home}/data")
        super().spawn()

    def initialise(self, data):
        self.as_user("initdb", "-N", "-A", "trust", "-D", data)

    def answers(self):
        return super().answers() and self.as_user("pg_isready", "-q", "-h", self.directory.file("pg"), "-p", str(self.port),
                                                  check=False).returncode == 0

    def user(self):
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]

    def as_user(self, program, *arguments, check=True):
        return subprocess.run([*self.user(), f"{self.PROGRAMS}/{program}", *arguments], cwd="/", check=check,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def command(self):
        home = self.directory.file("pg")
        return [*self.user(), f"{self.PROGRAMS}/postgres", "-D", f"{home}/data", "-p", str(self.port), "-k", home,
                "-h", "127.0.0.1", "-c", "fsync=off"]

    def client(self, program, *arguments, network=None):
        return gnomon.run(*(network or self.network).enter(), f"{self.PROGRAMS}/{program}", "-h", "127.0.0.1", "-p",
                          str(self.port), "-U", "postgres", *arguments)

    def index_scans(self, pid, table):
        """Of the copy with that process id."""
        query = f"SELECT idx_scan FROM pg_stat_user_tables WHERE relname = '{table}'"
        return int(self.client("psql", "-XAtc", query, network=Namespace(pid)).stdout or 0)


class PostgresWithPassword(Postgres):
    """Asks each client for a password by challenge (SCRAM)."""

    PASSWORD = "tr0ub4dor&3"

    def initialise(self, data):
        home = self.directory.file("pg")
        with open(f"{home}/password", "w", encoding="utf-8") as file:
            file.write(self.PASSWORD)
        shutil.chown(file.name, "postgres", "postgres")
        self.as_user("initdb", "-N", "-A", "scram-sha-256", "--pwfile", file.name, "-D", data)

    def client(self, program, *arguments, network=None):
        return gnomon.run(*(network or self.network).enter(), "env", f"PGPASSWORD={self.PASSWORD}",
                          f"{self.PROGRAMS}/{program}", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", *arguments)


class NginxHttp2(Nginx):
    """Cleartext, with prior knowledge; writes a line for each request."""

    CONFIG = """
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log {directory}/access.log;
  server {{
    listen {port} http2 backlog=1024;
    root {directory}/site;
    location = /broken {{ return 503; }}
  }}
}}
"""

    def logged(self, root=""):
        with open(f"{root}{self.directory.path}/access.log", encoding="utf-8") as log:
            return log.read().count("\n")


class Grpc(Production):
    """A gRPC service in C++: the coordinator is one."""

    def command(self):
        return [gnomon.program("gnomon-coordinator"), "--listen", f"127.0.0.1:{self.port}", "--database",
                self.directory.file("coordinator.db")]


def connect(network, port):
    connection = network.call(socket.socket)
    connection.settimeout(20)
    connection.connect(("127.0.0.1", port))
    return connection


def say(connection, *words):
    """Sends one Redis command."""
    message = f"*{len(words)}\r\n".encode()
    for word in words:
        word = str(word).encode()
        message += b"$%d\r\n%s\r\n" % (len(word), word)
    connection.sendall(message)


def resp_reply(replies):
    """Reads one reply of RESP2: bytes, a number, None, a list, or an exception that is returned."""
    line = replies.readline()
    if not line.endswith(b"\r\n"):
        raise AssertionError("production closed a connection")
    kind, text = line[:1], line[1:-2]
    if kind == b"+":
        return text
    if kind == b"-":
        return RuntimeError(text.decode())
    if kind == b":":
        return int(text)
    if kind == b"$":
        return None if text == b"-1" else replies.read(int(text) + 2)[:-2]
    return [resp_reply(replies) for _ in range(int(text))]
