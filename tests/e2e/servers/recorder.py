"""An HTTP server that appends "<length> <sha256>" of every request body to a file.  recorder.py PORT FILE"""

import hashlib
import os
import sys

from answering import Answering, serve

record = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


class Recorder(Answering):
    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def do_POST(self):
        body = self.read_body()
        os.write(record, f"{len(body)} {hashlib.sha256(body).hexdigest()}\n".encode())
        self.answer()


serve(Recorder, sys.argv[1], "0.0.0.0")
