"""Answers GET with a body of 3,000 bytes; its copy in another process namespace answers some paths otherwise. Arguments: port."""

import http.server
import os
import sys

# Where a service is the first process, or nearly so: in a shadow.
IS_COPY = os.getpid() < 20


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"x" * 3000
        if IS_COPY and self.path == "/size":
            body += b"x"
        if IS_COPY and self.path == "/body":
            body = body[:-1] + b"y"
        self.send_response(404 if IS_COPY and self.path == "/status" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
