"""The processes of the benchmark: services in a cgroup of their own, the agent, load generators."""

import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile

BIN = pathlib.Path(__file__).resolve().parent
CPUS = sorted(os.sched_getaffinity(0))
# The service has a processor to itself, so that what the others do there is not in its way.
SERVICE_CPU, OTHER_CPU = str(CPUS[0]), str(CPUS[-1])


class Failed(Exception):
    pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        subprocess.run(["sleep", "0.05"], check=True)
    raise Failed(f"nothing listens on port {port} after 10 s")


class Cgroup:
    """A cgroup that counts the CPU time of what is started in it, on v1 and v2."""

    def __init__(self, name):
        v1 = pathlib.Path("/sys/fs/cgroup/cpuacct")
        root = v1 if (v1 / "cpuacct.usage").exists() else pathlib.Path("/sys/fs/cgroup")
        self.path = root / f"gnomon-bench-{os.getpid()}-{name}"
        self.path.mkdir()

    def enter(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def cpu_us(self):
        usage = self.path / "cpuacct.usage"
        if usage.exists():
            return int(usage.read_text()) / 1e3
        return int(re.search(r"usage_usec (\d+)", (self.path / "cpu.stat").read_text())[1])

    def remove(self):
        self.path.rmdir()


class Service:
    """A server in its own cgroup; `stop` also removes the cgroup."""

    def __init__(self, name, command, port=None, stdin=None):
        self.cgroup = Cgroup(name)
        self.process = subprocess.Popen(["taskset", "-c", SERVICE_CPU, *command], preexec_fn=self.cgroup.enter,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.port = port or int(self.process.stdout.readline())
        wait_for(self.port)

    def stop(self):
        self.process.terminate()
        self.process.communicate()
        self.cgroup.remove()


@contextlib.contextmanager
def services():
    """Hands out nginx(), redis() and pingpong(); stops all at the end."""
    with tempfile.TemporaryDirectory(prefix="gnomon-bench-") as directory:
        started = Services(pathlib.Path(directory))
        try:
            yield started
        finally:
            for service in started.all:
                service.stop()


class Services:
    def __init__(self, directory):
        self.directory = directory
        self.all = []

    def _start(self, *arguments, **named):
        service = Service(f"{len(self.all)}", *arguments, **named)
        self.all.append(service)
        return service

    def nginx(self, mirror_to=None):
        """One worker, tiny responses, counted at /requests; `mirror_to`: a port that gets a copy of every request."""
        port, home = free_port(), self.directory / f"nginx{len(self.all)}"
        home.mkdir()
        (home / "item").write_text("hello")
        mirror = "mirror /mirror;" if mirror_to else ""
        upstream = f"upstream copies {{ server 127.0.0.1:{mirror_to}; keepalive 64; }}" if mirror_to else ""
        inner = ('location = /mirror { internal; proxy_pass http://copies$request_uri; proxy_http_version 1.1; '
                 'proxy_set_header Connection ""; }' if mirror_to else "")
        (home / "nginx.conf").write_text(f"""
            user root; worker_processes 1; daemon off; pid {home}/pid; error_log {home}/error.log;
            events {{ worker_connections 4096; }}
            http {{ access_log off; keepalive_requests 100000000; {upstream}
              client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c;
              uwsgi_temp_path {home}/d; scgi_temp_path {home}/e;
              server {{ listen 127.0.0.1:{port}; {mirror}
                location = /requests {{ {"mirror off;" if mirror_to else ""} stub_status; }}
                location / {{ root {home}; }} {inner} }} }}""")
        return self._start(["nginx", "-p", str(home), "-c", str(home / "nginx.conf")], port=port)

    def redis(self):
        port = free_port()
        return self._start(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                            "--dir", str(self.directory)], port=port)

    def pingpong(self):
        return self._start([str(BIN / "capture-pingpong"), "serve"])


class Agent:
    """capture-agent on a service; `stop` returns what it saw and cost."""

    def __init__(self, service, *arguments):
        self.process = subprocess.Popen(["taskset", "-c", OTHER_CPU, str(BIN / "capture-agent"), "--port", str(service.port),
                                         *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            self.process.wait()
            raise Failed("the agent did not start")

    def stop(self):
        out, _ = self.process.communicate()
        if self.process.returncode != 0:
            raise Failed(f"the agent ended with {self.process.returncode}")
        return json.loads(out)


class EmptyPrograms:
    """Programs that do nothing at the capture's tracepoints, while it lives."""

    def __init__(self):
        self.process = subprocess.Popen([str(BIN / "bench-tap"), "--hold-empty"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        if self.process.stdout.readline() != "attached\n":
            self.process.wait()
            raise Failed("the empty programs were not attached")

    def stop(self):
        self.process.communicate()


def generate(command):
    done = subprocess.run(["taskset", "-c", OTHER_CPU, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failed(f"{command[0]} ended with {done.returncode}: {done.stderr[-300:]}")
    return done.stdout


def h2load(service, requests, *arguments, connections=50):
    """Requests answered."""
    out = generate(["h2load", "--h1", "-t1", f"-c{connections}", f"-n{requests}", *arguments,
                    f"http://127.0.0.1:{service.port}/item?id=42"])
    return int(re.search(r"(\d+) succeeded", out)[1])


def redis_benchmark(service, requests):
    generate(["redis-benchmark", "-h", "127.0.0.1", "-p", str(service.port), "-t", "get,set", "-n", str(requests // 2),
              "-c", "50", "-P", "1", "-q"])
    return requests // 2 * 2


def ping(service, requests, connections=1):
    return json.loads(generate([str(BIN / "capture-pingpong"), "ping", str(service.port), str(connections), str(requests)]))


def paced(service, rate, seconds):
    return json.loads(generate([str(BIN / "capture-paced"), str(service.port), "50", str(rate), str(seconds)]))


def served(service):
    """Requests that an nginx of ours has answered."""
    import urllib.request
    text = urllib.request.urlopen(f"http://127.0.0.1:{service.port}/requests", timeout=5).read().decode()
    return int(text.split("\n")[2].split()[2])
