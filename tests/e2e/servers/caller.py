"""An HTTP server that asks another one, on 127.0.0.1, before it answers.  caller.py PORT OTHER_PORT"""

import http.server
import socket
import socketserver
import sys


class Caller(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        try:
            with socket.create_connection(("127.0.0.1", int(sys.argv[2])), timeout=5) as other:
                body = other.recv(16)
        except OSError:
            body = b""
        self.send_response(200 if body else 502)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", int(sys.argv[1])), Caller).serve_forever()
