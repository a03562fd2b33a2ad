#!/usr/bin/python3
"""tests/e2e/soak.py as a benchmark."""

import os
import sys

sys.path.insert(0, "@CMAKE_SOURCE_DIR@/tests/e2e")
os.environ.setdefault("GNOMON_BIN", "@CMAKE_RUNTIME_OUTPUT_DIRECTORY@")
import soak  # pylint: disable=wrong-import-position

sys.exit(soak.main())
