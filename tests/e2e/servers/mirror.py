"""Answers GET with a body of 3,000 bytes; its copy in another process namespace answers some paths otherwise. Arguments: port."""

import os
import sys

from answering import Answering, serve

# Where a service is the first process, or nearly so: in a shadow.
IS_COPY = os.getpid() < 20


class Mirror(Answering):
    def do_GET(self):
        body = b"x" * 3000
        if IS_COPY and self.path == "/size":
            body += b"x"
        if IS_COPY and self.path == "/body":
            body = body[:-1] + b"y"
        self.answer(body, 404 if IS_COPY and self.path == "/status" else 200)


serve(Mirror, sys.argv[1])
