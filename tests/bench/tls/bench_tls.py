#!/usr/bin/env python3
"""What capture of TLS costs the service: CPU time of an nginx worker for each request over TLS, kernel included, without the
probe and with it. Rounds of all conditions, in rotating order; figures are medians over rounds. Prints JSON.
bench-tls [ROUNDS [REQUESTS]]: 9 rounds of 20000 requests over 20 connections without arguments."""

import json
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

AGENT = pathlib.Path(__file__).resolve().parent / "tls-agent"
# The sampled fraction, and how many bytes of each response are captured.
CONDITIONS = {"unprobed": None, "probed, sampled 0%": (0, 0), "sampled 5%": (0.05, 0), "sampled 100%": (1, 0),
              "sampled 100%, and responses": (1, 4096)}
CONNECTIONS = 20


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Nginx:
    """One worker that answers in TLS; the master's only child."""

    def __init__(self, home):
        self.port, key, certificate = free_port(), home / "key.pem", home / "certificate.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                        key, "-out", certificate, "-days", "2", "-subj", "/CN=bench"], check=True, capture_output=True)
        (home / "nginx.conf").write_text(f"""
            worker_processes 1; daemon off; pid {home}/pid; error_log {home}/error.log;
            events {{ worker_connections 1024; }}
            http {{ access_log off; keepalive_requests 100000000;
              client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c;
              uwsgi_temp_path {home}/d; scgi_temp_path {home}/e;
              server {{ listen 127.0.0.1:{self.port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};
                location / {{ return 200 "hello"; }} }} }}""")
        program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
        self.process = subprocess.Popen([program, "-e", home / "error.log", "-p", home, "-c", home / "nginx.conf"])
        for _ in range(500):
            children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            with socket.socket() as probe:
                if children and probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            time.sleep(0.01)
        self.worker = int(children[0])

    def cpu_us(self):
        """The scheduler's account of the worker: nanoseconds on a CPU."""
        return int(pathlib.Path(f"/proc/{self.worker}/schedstat").read_text().split()[0]) / 1000

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def measure(nginx, condition, requests):
    """CPU microseconds for each request; what the agent saw, or None."""
    agent = None
    if condition is not None:
        agent = subprocess.Popen([AGENT, str(nginx.port), *map(str, condition)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 text=True)
        if agent.stdout.readline() != "ready\n":
            sys.exit("bench-tls: the agent did not start")
    begin = nginx.cpu_us()
    load = subprocess.run(["h2load", "--h1", "-t1", f"-c{CONNECTIONS}", f"-n{requests}",
                           f"https://127.0.0.1:{nginx.port}/item?id=42"], check=True, capture_output=True, text=True).stdout
    each = (nginx.cpu_us() - begin) / requests
    if int(re.search(r"(\d+) succeeded", load)[1]) != requests:
        sys.exit(f"bench-tls: not all requests were answered:\n{load}")
    seen = json.loads(agent.communicate()[0]) if agent else None
    return each, seen


def main(rounds=9, requests=20000):
    series, seen = {name: [] for name in CONDITIONS}, {}
    with tempfile.TemporaryDirectory(prefix="gnomon-bench-") as home:
        nginx = Nginx(pathlib.Path(home))
        try:
            measure(nginx, None, requests)
            for number in range(rounds):
                names = list(CONDITIONS)
                for name in names[number % len(names):] + names[:number % len(names)]:
                    each, seen[name] = measure(nginx, CONDITIONS[name], requests)
                    series[name].append(each)
                print(f"bench-tls: {number + 1}/{rounds}", *(f"{values[-1]:.1f}" for values in series.values()), file=sys.stderr)
        finally:
            nginx.stop()
    base = series["unprobed"]
    added = {name: [value - before for value, before in zip(values, base)] for name, values in series.items()}
    print(json.dumps({"rounds": rounds, "requests": requests, "conditions": [
        {"name": name, "cpu_us_per_request": round(statistics.median(values), 2),
         "added_us": round(statistics.median(added[name]), 2), "added_us_quartiles": [round(q, 2) for q in
                                                                                    statistics.quantiles(added[name])[::2]],
         "last_round": seen[name]} for name, values in series.items()]}, indent=1))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
