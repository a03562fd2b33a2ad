"""An HTTP server that takes some milliseconds for each request without any CPU, and more, but less and less, while it is young.
sleeper.py PORT MILLISECONDS SECONDS_YOUNG MILLISECONDS_WHILE_YOUNG"""

import http.server
import socketserver
import sys
import time

started = time.monotonic()
usual, youth, slow = float(sys.argv[2]) / 1e3, float(sys.argv[3]), float(sys.argv[4]) / 1e3


class Sleeper(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        left = max(0.0, 1 - (time.monotonic() - started) / youth) if youth else 0
        time.sleep(usual + left * (slow - usual))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", int(sys.argv[1])), Sleeper).serve_forever()
