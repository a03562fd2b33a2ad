"""Delay by the kernel, where it has netem."""

import os
import socket
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
import machine  # noqa: E402  (found by the line above)

DELAY = 0.05  # s


class Netem(unittest.TestCase):
    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        self.host, self.peer = machine.NetworkNamespace(), None
        self.addCleanup(self.host.remove)
        self.peer = machine.NetworkNamespace()
        self.addCleanup(self.peer.remove)

    def run_inside(self, namespace, *command):
        return subprocess.run([*namespace.enter(), *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)

    def delay(self, link):
        return self.run_inside(self.host, "tc", "qdisc", "add", "dev", link, "root", "netem", "delay", f"{DELAY * 1000:.0f}ms")

    def connect(self):
        """A pair of connected sockets over a veth pair, the first in the host's namespace."""
        for namespace, address in ((self.host, "10.99.0.1"), (self.peer, "10.99.0.2")):
            if namespace is self.host:
                made = self.run_inside(namespace, "ip", "link", "add", "v0", "type", "veth", "peer", "v0", "netns",
                                       self.peer.name)
                self.assertEqual(made.returncode, 0, made.stdout)
            self.run_inside(namespace, "ip", "address", "add", f"{address}/30", "dev", "v0")
            self.run_inside(namespace, "ip", "link", "set", "v0", "up")
        listener = self.peer.call(lambda: socket.create_server(("10.99.0.2", 0)))
        self.addCleanup(listener.close)
        client = self.host.call(lambda: socket.create_connection(listener.getsockname(), timeout=30))
        self.addCleanup(client.close)
        server, _ = listener.accept()
        self.addCleanup(server.close)
        server.settimeout(30)
        return client, server

    def fastest_round_trip(self, pair):
        client, server = pair
        times = []
        for _ in range(5):
            begun = time.monotonic()
            client.sendall(b"ping")
            server.recv(4)
            server.sendall(b"pong")
            client.recv(4)
            times.append(time.monotonic() - begun)
        return min(times)

    def test_what_it_delays_takes_at_least_that_long(self):
        tried = self.delay("lo")
        if tried.returncode != 0:
            self.skipTest(f"no netem on this kernel: {tried.stdout.strip()}")
        pair = self.connect()
        undelayed = self.fastest_round_trip(pair)
        added = self.delay("v0")
        self.assertEqual(added.returncode, 0, added.stdout)
        delayed = self.fastest_round_trip(pair)
        print(f"round trip {undelayed * 1000:.1f} ms, with {DELAY * 1000:.0f} ms of delay {delayed * 1000:.1f} ms")
        self.assertGreaterEqual(delayed, DELAY)
