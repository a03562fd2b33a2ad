#!/usr/bin/env python3
"""Runs end-to-end cases: run.py [module.Class.test …], all of them without arguments. Status 77, a skip, if all were skipped.
The programs are taken from $GNOMON_BIN, or build/bin."""

import os
import sys
import unittest

import machine

HERE = os.path.dirname(os.path.abspath(__file__))


def main(names):
    if os.geteuid() == 0:
        machine.sweep()
    loader = unittest.defaultTestLoader
    suite = loader.loadTestsFromNames(names) if names else loader.discover(HERE, pattern="*_test.py")
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    if result.errors or result.failures or result.testsRun == 0:
        return 1
    return 77 if len(result.skipped) == result.testsRun else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
