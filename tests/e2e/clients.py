"""Clients of a production service: known request bodies, and bounded wrk loads."""

import collections
import hashlib
import random
import re
import subprocess
import threading

RATE = """
-- Pauses so that {connections} connections make {rate} requests/s together.
function init() math.randomseed({seed}) end
function delay() return math.floor(-{pause} * math.log(1 - math.random()) + 0.5) end
"""


def random_body(rng, largest):
    size = rng.choice([1, 2, rng.randint(1, 100), rng.randint(1, 5000), rng.randint(1, largest), largest])
    return rng.randbytes(size)


def request(rng, path, body):
    head = f"POST {path} HTTP/1.1\r\nHost: e2e\r\nContent-Type: application/octet-stream\r\n".encode()
    if rng.random() < 0.5:
        return head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    message, at = head + b"Transfer-Encoding: chunked\r\n\r\n", 0
    while at < len(body):
        size = rng.randint(1, 200000)
        chunk = body[at:at + size]
        message += f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n"
        at += size
    return message + b"0\r\n\r\n"


def read_response(connection, buffer):
    """Reads one response with a Content-Length or without a body; (status, what was read of the next)."""
    while b"\r\n\r\n" not in buffer:
        buffer += receive(connection)
    head, rest = buffer.split(b"\r\n\r\n", 1)
    length = re.search(rb"\r\ncontent-length: *(\d+)", head.lower())
    chunked = b"transfer-encoding: chunked" in head.lower()
    if chunked:
        while not rest.endswith(b"0\r\n\r\n"):
            rest += receive(connection)
        return int(head.split()[1]), b""
    size = int(length.group(1)) if length else 0
    while len(rest) < size:
        rest += receive(connection)
    return int(head.split()[1]), rest[size:]


def receive(connection):
    data = connection.recv(65536)
    if not data:
        raise AssertionError("production closed a connection in the middle of a response")
    return data


def send_bodies(production, seed, connections=8, requests=8, largest=1 << 20, path="/record"):
    """Sends random bodies over keep-alive connections, each message in randomly split writes, with and without chunked
    encoding, and checks that each is answered. Returns how often each (length, sha256) was sent."""
    sent, failures, lock = collections.Counter(), [], threading.Lock()

    def client(number):
        rng = random.Random(f"{seed}/{number}")
        try:
            with production.connect() as connection:
                buffer = b""
                for _ in range(requests):
                    body = random_body(rng, largest)
                    message, at = request(rng, path, body), 0
                    while at < len(message):
                        size = rng.choice([1, rng.randint(1, 1000), rng.randint(1, 100000), len(message)])
                        connection.sendall(message[at:at + size])
                        at += size
                    status, buffer = read_response(connection, buffer)
                    if status not in (200, 204):
                        raise AssertionError(f"production answered {status}")
                    with lock:
                        sent[(len(body), hashlib.sha256(body).hexdigest())] += 1
        except (OSError, AssertionError) as error:
            failures.append(error)

    threads = [threading.Thread(target=client, args=(n,)) for n in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise AssertionError(f"seed {seed}: {failures}")
    return sent


class Wrk:
    """A load that ends after `seconds`, or when stopped."""

    def __init__(self, production, rate, connections=20, seconds=120, path="/", header="X-Load: wrk"):
        pause = max(1.0, 1000.0 * connections / rate)
        script = production.directory.file(
            "rate.lua", RATE.format(rate=rate, connections=connections, pause=pause, seed=1))
        self.process = subprocess.Popen(
            [*production.network.enter(), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s",
             "-H", header, "-s", script, f"http://127.0.0.1:{production.port}{path}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.output = None

    def finish(self, stop=False):
        """What wrk printed; `stop` ends it early."""
        if self.output is None:
            if stop:
                self.process.send_signal(2)  # wrk prints its summary on SIGINT
            self.output = self.process.communicate()[0]
        return self.output

    def failures(self):
        """Requests that did not get a good answer."""
        output = self.finish()
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
        return sum(map(int, errors.groups())) if errors else 0, int(bad.group(1)) if bad else 0

    def requests(self):
        return int(re.search(r"(\d+) requests in", self.finish()).group(1))
