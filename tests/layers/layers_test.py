#!/usr/bin/env python3
"""The checks of layers.py catch what they are for: each case plants one violation in a tree that is otherwise clean."""

import os
import tempfile
import unittest

import layers

CLEAN = {
    "bpf/abi/probe.h": '#include "abi.h"\n',
    "bpf/programs/tap.bpf.c": '#include "../lib/maps.bpf.h"\n#include <bpf/bpf_helpers.h>\n',
    "bpf/CMakeLists.txt": "gnomon_bpf_skeleton(probe SOURCES programs/tap.bpf.c)\n",
    "common/units.h": "#include <string>\n",
    "telemetry/wire.h": '#include "gnomon/v1/telemetry.pb.h"\n#include "telemetry/sample.h"\n',
    "agent/CMakeLists.txt": "gnomon_program(gnomon-agent SOURCES main.cpp LINK x)\n",
    "agent/main.cpp": '#include "agent/app.h"\nint main() {}\n',
    "agent/probe/probe.h": '#include "bpf/probe.skel.h"\n#include <bpf/libbpf.h>\n#include "bpf/abi/probe.h"\n',
    "coordinator/judge/judge.h": "#include <boost/math/distributions/students_t.hpp>\n",
    "cli/try.h": '#include "agent/app.h"\n#include "coordinator/app.h"\n#include "grpcpp/grpcpp.h"\n',
    "tests/unit/CMakeLists.txt": "gnomon_test(units_test LABEL unit SOURCES units_test.cpp)\n",
    "tests/unit/units_test.cpp": '#include "common/units.h"\n',
    "tests/e2e/CMakeLists.txt": "gnomon_e2e_tests(\n  bodies_test.Bodies.test_nginx)\n",
    "tests/e2e/bodies_test.py": "class Bodies(Case):\n    def test_nginx(self):\n        pass\n",
    "tests/fuzz/CMakeLists.txt": "gnomon_fuzz(http1 SOURCES agent/protocol/http1.cpp)\n",
    "tests/fuzz/http1_fuzz.cpp": "",
    "scripts/build": "",
    "README.md": "```\n./scripts/build\nsudo build/bin/gnomon-agent\n```\n[build](scripts/build)\n",
}


class Layers(unittest.TestCase):
    def found(self, planted):
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**CLEAN, **planted}.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            return list(layers.violations(root))

    def assert_caught(self, path, text, reason):
        found = self.found({path: text})
        self.assertEqual(1, len(found), found)
        self.assertIn(path, found[0])
        self.assertIn(reason, found[0])

    def test_clean_tree_has_no_violation(self):
        self.assertEqual([], self.found({}))

    def test_forbidden_includes_are_caught(self):
        for path, include in {
            "bpf/abi/probe.h": "common/units.h",
            "common/units.h": "telemetry/sample.h",
            "telemetry/sample.h": "document/profile.h",
            "document/profile.h": "telemetry/sample.h",
            "document/parse.h": "sqlite3.h",
            "agent/noise/noise.h": "boost/asio.hpp",
            "agent/protocol/http1.h": "grpcpp/grpcpp.h",
            "agent/tap/stream.h": "bpf/libbpf.h",
            "agent/tap/reader.h": "bpf/probe.skel.h",
            "agent/session/session.h": "gnomon/v1/control.pb.h",
            "agent/session/plan.h": "coordinator/app.h",
            "agent/metrics/usage.h": "bpf/lib/maps.bpf.h",
            "coordinator/api/query.h": "agent/app.h",
            "coordinator/judge/judge.h": "gnomon/v1/query.pb.h",
            "tests/unit/units_test.cpp": "bpf/probe.skel.h",
            "telemetry/histogram.h": "cli/try.h",
        }.items():
            with self.subTest(path=path, include=include):
                self.assert_caught(path, f'#include "{include}"\n', include)
                self.assert_caught(path, f"  #  include <{include}>\n", include)

    def test_long_main_is_caught(self):
        self.assert_caught("agent/main.cpp", "\n" * 100, "100 lines")

    def test_unregistered_files_are_caught(self):
        self.assert_caught("tests/unit/more_units_test.cpp", "", "no CMakeLists.txt names it")
        self.assert_caught("tests/bpf/deep/tap_test.cpp", "", "no CMakeLists.txt names it")
        self.assert_caught("tests/fuzz/stream_fuzz.cpp", "", "no CMakeLists.txt names it")
        self.assert_caught("agent/tap/stream.cpp", "", "no CMakeLists.txt names it")

    def test_unregistered_case_is_caught(self):
        self.assert_caught("tests/e2e/bodies_test.py", CLEAN["tests/e2e/bodies_test.py"] + "    def test_node(self):\n",
                           "bodies_test.Bodies.test_node")

    def test_paths_that_the_readme_promises_are_looked_up(self):
        for promised in ("```\nsudo ./scripts/quikstart\n```\n", "see [here](docs/none.md)\n", "`gnomon -f examples/x.yaml`\n",
                         "```\nbuild/bin/gnomon-agnet\n```\n"):
            with self.subTest(promised=promised):
                self.assert_caught("README.md", promised, "README.md")


if __name__ == "__main__":
    unittest.main()
