"""An HTTP server that wants to reach others, all the time.  dependent.py PORT ADDRESS:PORT…"""

import socket
import sys
import threading
import time

from answering import Answering, serve


def call(target):
    host, port = target.rsplit(":", 1)
    while True:
        try:
            with socket.create_connection((host, int(port)), timeout=2) as connection:
                connection.recv(16)
        except OSError:
            pass
        time.sleep(0.2)


class Dependent(Answering):
    def do_GET(self):
        self.answer()


for address in sys.argv[2:]:
    threading.Thread(target=call, args=(address,), daemon=True).start()
serve(Dependent, sys.argv[1])
