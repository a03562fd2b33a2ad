"""Production services that the tests start: real servers in a network namespace of their own, on port 8080."""

import os
import shutil
import signal
import socket
import subprocess

from machine import Cgroup, NetworkNamespace, WorkingDirectory, pid_namespace, pids, read_proc, wait_until

PORT = 8080
SERVERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "servers")


class Production:
    """One server. Subclasses say how it is started; `cgroup` is (thousandths of a CPU, bytes of memory) or None."""

    def __init__(self, cgroup=None, user_port=PORT):
        self.port = user_port
        self.directory = WorkingDirectory()
        self.network = NetworkNamespace()
        self.cgroup = Cgroup(*cgroup) if cgroup else None
        self.log = open(self.directory.file("server.log"), "wb")
        self.process = None
        try:
            self.spawn()
        except BaseException:
            self.stop()
            raise

    def spawn(self):
        self.process = subprocess.Popen([*self.network.enter(), *self.command()], cwd=self.directory.path,
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        preexec_fn=self.cgroup.join if self.cgroup else None)
        wait_until(self.answers, f"{type(self).__name__} listens", seconds=60)

    def command(self):
        raise NotImplementedError

    def connect(self):
        connection = self.network.call(socket.socket)
        connection.settimeout(20)
        connection.connect(("127.0.0.1", self.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def answers(self):
        if self.process.poll() is not None:
            self.log.flush()
            with open(self.log.name, encoding="utf-8", errors="replace") as log:
                raise AssertionError(f"server ended with {self.process.returncode}: {log.read()}")
        try:
            self.connect().close()
        except OSError:
            return False
        return True

    def server(self, name):
        """A copy of one of servers/, with what they share, in the working directory: the checkout may be where a shadow may not look."""
        shutil.copy(os.path.join(SERVERS, "answering.py"), self.directory.path)
        return shutil.copy(os.path.join(SERVERS, name), self.directory.path)

    def shadow_pids(self):
        """Processes with this server's command line in another pid namespace."""
        cmdline, own = read_proc(self.process.pid, "cmdline"), pid_namespace(self.process.pid)
        return [pid for pid in pids() if read_proc(pid, "cmdline") == cmdline and pid_namespace(pid) not in ("", own)]

    def restart(self):
        """As a supervisor would after a crash: same port, at once."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
        self.spawn()

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        if self.cgroup:
            self.cgroup.remove()
        self.network.remove()
        self.directory.remove()


class Nginx(Production):
    """Serves a small file. As a recorder, it keeps every request body in a file of its own under bodies/."""

    CONFIG = """
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {directory}/temporary;
  proxy_temp_path {directory}/proxy;
  keepalive_requests 1000000;
  server {{
    listen {port} backlog=1024;
    root {directory}/site;
    location = /record {{
      client_max_body_size 4m;
      client_body_in_file_only on;
      client_body_temp_path {directory}/bodies;
      proxy_pass http://127.0.0.1:{sink}/;
    }}
  }}
  server {{ listen 127.0.0.1:{sink}; client_max_body_size 4m; location / {{ return 204; }} }}
}}
"""

    def command(self):
        program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        os.makedirs(self.directory.file("site"), exist_ok=True)
        self.directory.file("site/index.html", "<p>hello</p>\n" * 40)
        config = self.CONFIG.format(directory=self.directory.path, port=self.port, sink=self.port + 1)
        return [program, "-e", self.directory.file("error.log"), "-c", self.directory.file("nginx.conf", config),
                "-g", "daemon off;"]

    def recorded(self, root=""):
        """(length, sha256) of each body that the server recorded, seen through another process's root. A shadow sees the
        files that production writes meanwhile through its overlay; they are on the lower layer's device, as nginx.conf is."""
        import hashlib
        bodies, lower = [], os.stat(f"{root}{self.directory.path}/nginx.conf").st_dev if root else None
        for parent, _, names in os.walk(f"{root}{self.directory.path}/bodies"):
            for name in names:
                with open(os.path.join(parent, name), "rb") as file:
                    if os.fstat(file.fileno()).st_dev == lower:
                        continue
                    body = file.read()
                bodies.append((len(body), hashlib.sha256(body).hexdigest()))
        return bodies


class Recorder(Production):
    def recorded(self, root=""):
        path = f"{root}{self.directory.file('record')}"
        if not os.path.exists(path):
            return []
        with open(path, encoding="ascii") as file:
            return [(int(length), digest) for length, digest in map(str.split, file)]


class PythonRecorder(Recorder):
    def command(self):
        return ["/usr/bin/python3", "-B", self.server("recorder.py"), str(self.port), "record"]


class NodeRecorder(Recorder):
    def command(self):
        return ["node", self.server("recorder.js"), str(self.port), "record"]


class NodeBurner(Production):
    """Takes `milliseconds` of CPU for each request."""

    def __init__(self, milliseconds, cgroup):
        self.iterations = round(milliseconds * iterations_per_millisecond())
        super().__init__(cgroup)

    def command(self):
        return ["node", self.server("burner.js"), str(self.port), str(self.iterations)]


def iterations_per_millisecond():
    """PBKDF2 iterations that node does in a millisecond of CPU on this machine."""
    program = ("const c=require('crypto');c.pbkdf2Sync('w','s',20000,32,'sha256');const b=process.cpuUsage();"
               "c.pbkdf2Sync('w','s',200000,32,'sha256');const u=process.cpuUsage(b);console.log(u.user+u.system)")
    microseconds = int(subprocess.run(["node", "-e", program], check=True, capture_output=True).stdout)
    return 200000 * 1000 / microseconds
