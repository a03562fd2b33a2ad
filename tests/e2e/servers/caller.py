"""An HTTP server that asks another one, on 127.0.0.1, before it answers.  caller.py PORT OTHER_PORT"""

import socket
import sys

from answering import Answering, serve


class Caller(Answering):
    def do_GET(self):
        try:
            with socket.create_connection(("127.0.0.1", int(sys.argv[2])), timeout=5) as other:
                other.sendall(b"?")
                body = other.recv(16)
        except OSError:
            body = b""
        self.answer(body, 200 if body else 502)


serve(Caller, sys.argv[1])
