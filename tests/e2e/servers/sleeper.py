"""An HTTP server that takes some milliseconds for each request without any CPU, and more, but less and less, while it is young.
sleeper.py PORT MILLISECONDS SECONDS_YOUNG MILLISECONDS_WHILE_YOUNG"""

import sys
import time

from answering import Answering, serve

started = time.monotonic()
usual, youth, slow = float(sys.argv[2]) / 1e3, float(sys.argv[3]), float(sys.argv[4]) / 1e3


class Sleeper(Answering):
    def do_GET(self):
        left = max(0.0, 1 - (time.monotonic() - started) / youth) if youth else 0
        time.sleep(usual + left * (slow - usual))
        self.answer()


serve(Sleeper, sys.argv[1])
