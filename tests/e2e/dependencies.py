"""A service that asks another one before it answers, and what it asks."""

import socket
import threading
import time

from production import Production
from three_programs import free_port


class Dependency:
    """Serves one caller at a time, each for some milliseconds: on the host's loopback, and on that of others' networks."""

    def __init__(self, milliseconds):
        self.seconds, self.lock, self.sockets = milliseconds / 1e3, threading.Lock(), []
        self.port = free_port()
        self.listen(socket.create_server)

    def listen(self, create):
        listener = create(("127.0.0.1", self.port), backlog=256)
        self.sockets.append(listener)
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def listen_in(self, network):
        self.listen(lambda *arguments, **options: network.call(lambda: socket.create_server(*arguments, **options)))

    def accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            try:
                if not connection.recv(1):  # a caller that has not asked yet keeps nobody waiting
                    return
                with self.lock:
                    time.sleep(self.seconds)
                connection.sendall(b"ok")
            except OSError:
                pass  # who asked has gone

    def close(self):
        for listener in self.sockets:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()


class Caller(Production):
    def __init__(self, dependency):
        self.dependency = dependency
        super().__init__((1000, 256 << 20))
        dependency.listen_in(self.network)

    def command(self):
        return ["/usr/bin/python3", "-B", self.server("caller.py"), str(self.port), str(self.dependency.port)]
