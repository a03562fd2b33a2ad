"""What clients ask of a service over TLS is captured in plaintext, replayed over TLS, and answered."""

import http.client
import os
import shutil
import ssl
import subprocess

import gnomon
from case import Case
from protocols_test import Protocols
from services import NginxHttp2


class NginxTls(NginxHttp2):
    """With a certificate that it signed itself; speaks HTTP/1.1 and HTTP/2."""

    CONFIG = NginxHttp2.CONFIG.replace(
        "listen {port} http2 backlog=1024;",
        "listen {port} ssl http2 backlog=1024;\n    server_name gnomon.test;\n"
        "    ssl_protocols TLSv1.2 TLSv1.3;\n    ssl_certificate {directory}/certificate.pem;\n"
        "    ssl_certificate_key {directory}/key.pem;")

    def command(self):
        key, certificate = self.directory.file("key.pem"), self.directory.file("certificate.pem")
        if not os.path.exists(certificate):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=gnomon.test"],
                           check=True, capture_output=True)
        return super().command()

    def https(self, version):
        """A connection of Python's client in one version of TLS."""
        context = ssl._create_unverified_context()  # pylint: disable=protected-access
        context.minimum_version = context.maximum_version = version
        client = http.client.HTTPSConnection("gnomon.test", self.port, context=context)
        connection = self.connect()
        client.sock = context.wrap_socket(connection, server_hostname="gnomon.test")
        return client

    def curl(self, *arguments):
        return gnomon.run(*self.network.enter(), "curl", "-sk", "-o", "/dev/null", "-w", "%{http_code} %{http_version}\n",
                          "--resolve", f"gnomon.test:{self.port}:127.0.0.1", *arguments).stdout


class Tls(Protocols):
    needs = Case.needs + ("nginx", "openssl", "curl")

    def test_http1_in_tls_1_2_and_1_3(self):
        production = self.start(NginxTls, cgroup=(500, 128 << 20))
        url = f"https://gnomon.test:{production.port}/"

        def traffic():
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                for _ in range(5):  # connections, kept alive
                    client = production.https(version)
                    for i in range(20):
                        client.request("GET", "/broken" if i == 7 else f"/?{'x' * 50 * i}")
                        answer = client.getresponse()
                        answer.read()
                        self.assertEqual(503 if i == 7 else 200, answer.status)
                    client.close()
            for _ in range(10):
                self.assertEqual("200 1.1\n", production.curl("--http1.1", url))

        session = self.replay(production, lambda: production.curl("--http1.1", url), traffic,
                              lambda pid: production.logged(f"/proc/{pid}/root") == 211, "--compare-responses", "body")
        self.check(session, requests=211, errors=10)
        for of in session["status"]["responses"]:  # but for the one that ended the warm-up
            self.assertGreaterEqual(int(of.get("same", 0)), 10 if of["endpoint"] == "GET /broken" else 200, of)
        self.assertEqual("", session["status"].get("responses_problem", ""))
        self.assertEqual(211, production.logged(), "the shadow wrote into production's log")

    def test_http2_by_alpn(self):
        if not shutil.which("h2load"):
            self.skipTest("needs h2load")
        production = self.start(NginxTls, cgroup=(500, 128 << 20))
        url = f"https://gnomon.test:{production.port}"

        def traffic():
            load = gnomon.run(*production.network.enter(), "h2load", "-n", "400", "-c", "4", "-m", "10",
                              f"https://127.0.0.1:{production.port}/")
            self.assertIn("400 succeeded", load.stdout)
            for path, status in (("/broken", 503), ("/none", 404)):
                self.assertEqual(f"{status} 2\n", production.curl("--http2", url + path))

        session = self.replay(production, lambda: production.curl("--http2", url + "/"), traffic,
                              lambda pid: production.logged(f"/proc/{pid}/root") == 403)
        self.check(session, requests=403, errors=1)

    def test_a_plaintext_service_that_has_openssl_is_captured_in_plaintext(self):
        production = self.start(NginxHttp2, cgroup=(500, 128 << 20))

        def ask():
            answer = gnomon.run(*production.network.enter(), "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                                "--http2-prior-knowledge", f"http://127.0.0.1:{production.port}/")
            self.assertEqual("200", answer.stdout)

        session = self.replay(production, ask, lambda: [ask() for _ in range(20)],
                              lambda pid: production.logged(f"/proc/{pid}/root") == 21)
        self.check(session, requests=21, errors=0)
