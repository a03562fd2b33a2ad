"""What the HTTP servers in this directory share: they answer on connections that stay, and log nothing."""

import http.server
import socketserver


class Answering(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self, body=b"ok", status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


def serve(handler, port, address="127.0.0.1"):
    Server((address, int(port)), handler).serve_forever()
