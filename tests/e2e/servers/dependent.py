"""An HTTP server that wants to reach others, all the time.  dependent.py PORT ADDRESS:PORT…"""

import http.server
import socket
import sys
import threading
import time


def call(target):
    host, port = target.rsplit(":", 1)
    while True:
        try:
            with socket.create_connection((host, int(port)), timeout=2) as connection:
                connection.recv(16)
        except OSError:
            pass
        time.sleep(0.2)


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


for address in sys.argv[2:]:
    threading.Thread(target=call, args=(address,), daemon=True).start()
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Server).serve_forever()
