"""Running the programs under test."""

import json
import os
import re
import signal
import subprocess
import threading

from machine import wait_until

BIN = os.environ.get("GNOMON_BIN", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/bin"))


def program(name):
    return os.path.abspath(os.path.join(BIN, name))


class Running:
    """A program in the background, its output collected line by line."""

    def __init__(self, arguments, **popen):
        self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, **popen)
        self.pid = self.process.pid
        self.stdout, self.stderr = [], []
        self.readers = [threading.Thread(target=lines.extend, args=(stream,), daemon=True) for lines, stream in
                        ((self.stdout, self.process.stdout), (self.stderr, self.process.stderr))]
        for reader in self.readers:
            reader.start()

    def said(self, pattern):
        # extend() appends as it reads, so lines show up as they are printed.
        return next((line for line in self.stdout + self.stderr if re.search(pattern, line)), None)

    def wait_for(self, condition, what, seconds=30):
        """Waits for a condition while the program runs; that it ended first is a failure with its output."""
        def look():
            value = condition()
            if not value and self.process.poll() is not None:
                raise AssertionError(f"{what}: the program ended with {self.process.returncode}:\n{self.text()}")
            return value
        try:
            return wait_until(look, what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text()}") from None

    def text(self):
        return "".join(self.stdout + self.stderr)

    def wait(self, seconds=120):
        """The exit status, once it has ended and all output is read."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"still running after {seconds} s:\n{self.text()}") from None
        for reader in self.readers:
            reader.join(10)
        return self.process.returncode

    def end(self):
        """For clean-up: ends it in order, or else by force."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def start_try(*arguments):
    return Running([program("gnomon"), "try", *arguments])


def session_of(running):
    """The one JSON object that `try -o json` printed."""
    return json.loads("".join(running.stdout))


def run(*arguments, seconds=60, **options):
    return subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds,
                          check=False, **options)
