"""/ and /docs, in a real browser: Debian's Chromium, driven over the WebDriver protocol. It reaches the gateway and nothing else."""

import http.client
import json
import os
import re
import shutil
import tempfile
import unittest

import harness

FIELDS = {"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": "0912345678", "page": "1", "size": "2"}
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element's id, by the protocol


class Browser:
    """A session of Chromium, without a window."""

    def __init__(self, folder):
        self.port = harness.free_port()
        self.driver = harness.Process("chromedriver", folder, ["chromedriver", f"--port={self.port}"])
        self.driver.start()
        harness.wait_until(lambda: harness.connects(self.port), "chromedriver")
        arguments = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
                     "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                     f"--user-data-dir={folder}/chromium"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")
        wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": {"args": arguments},
                                                   "goog:loggingPrefs": {"browser": "ALL"}}}}
        self.session = self._ask("POST", "/session", wanted)["sessionId"]

    def _ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.WAIT_SECONDS)
        try:
            connection.request(method, path, json.dumps(body or {}) if method == "POST" else None, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            value = json.loads(answer.read())["value"]
            assert answer.status == 200, value
            return value
        finally:
            connection.close()

    def command(self, method, path, body=None):
        return self._ask(method, f"/session/{self.session}{path}", body)

    def open(self, url):
        self.command("POST", "/url", {"url": url})

    def script(self, text, *arguments):
        return self.command("POST", "/execute/sync", {"script": text, "args": list(arguments)})

    def find(self, selector):
        return self.command("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.command("POST", f"/element/{self.find(selector)}/click")

    def type(self, selector, text):
        self.command("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def text(self, selector):
        return self.command("GET", f"/element/{self.find(selector)}/text")

    def close(self):
        try:
            self._ask("DELETE", f"/session/{self.session}")
        finally:
            self.driver.stop()


@unittest.skipUnless(shutil.which("chromedriver"), "needs chromium and chromium-driver")
class Docs(harness.StackTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.addClassCleanup(shutil.rmtree, folder := tempfile.mkdtemp(), True)
        cls.stack.import_lines([harness.call("0912345678", second) for second in range(5)])
        cls.browser = Browser(folder)
        cls.addClassCleanup(cls.browser.close)
        cls.origin = f"http://127.0.0.1:{cls.stack.gateway_port}"

    def rendered(self):
        self.browser.open(self.origin + "/docs")
        harness.wait_until(lambda: self.browser.script("return document.querySelectorAll('#reference details').length"), "the reference")

    def quiet(self):
        """The browser has complained about nothing: no script failed, and the page's policy blocked nothing."""
        self.assertEqual([entry for entry in self.browser.command("POST", "/se/log", {"type": "browser"})
                          if entry["level"] == "SEVERE" and entry["source"] != "network"], [])

    def test_the_index_leads_to_the_reference(self):
        self.browser.open(self.origin + "/")
        version = re.search(r"[\d.]+", self.stack.ctl("--version")[1])[0]
        self.assertIn(f"Call History {version}", self.browser.text("h1"))
        for path in ("/api/crm/historycall/getAll", "/api/crm/historycall/record/{trans_id}", "/healthz", "/metrics"):
            self.assertIn(path, self.browser.text("ul"))
        self.browser.click("a[href='/docs']")
        harness.wait_until(lambda: self.browser.script("return document.querySelectorAll('#reference details').length"), "the reference")

    def test_it_shows_what_openapi_says(self):
        self.rendered()
        document = json.loads(self.stack.request("GET", "/openapi.json")[2])
        shown = self.browser.script("return document.body.textContent")
        for path, item in document["paths"].items():
            for method in ("get", "post"):
                if method in item:
                    operation = item[method]
                    self.assertEqual(self.browser.script("return !!document.getElementById(arguments[0])", operation["operationId"]), True)
                    self.assertIn(operation["description"], shown)
        for field in ("vbot_id", "hotline_number", "record_file", "X-Request-Timeout"):
            self.assertIn(field, shown)

    def test_nothing_comes_from_elsewhere(self):
        self.rendered()
        loaded = self.browser.script("return performance.getEntriesByType('resource').map(entry => entry.name)")
        self.assertEqual(sorted(loaded), [self.origin + "/docs.js", self.origin + "/openapi.json"])
        self.quiet()

    def test_a_request_is_tried(self):
        self.rendered()
        self.browser.type("#token", self.stack.token())
        self.browser.click("#getAll > summary")
        for name, value in FIELDS.items():
            self.browser.type(f"#getAll input[name='{name}']", value)
        self.browser.click("#getAll form button")
        harness.wait_until(lambda: "success" in self.browser.text("#getAll .output"), "an answer")
        shown = self.browser.text("#getAll .output")
        self.assertIn("200 OK", shown)
        self.assertEqual(shown.count('"hotline_number": "19001234"'), 2)
        # The same with a body, and what a wrong one is answered.
        self.browser.click("#postCount > summary")
        self.browser.type("#postCount textarea", json.dumps({name: FIELDS[name] for name in ("vbot_id", "project_code", "phone")}))
        self.browser.click("#postCount form button")
        harness.wait_until(lambda: '"data": 5' in self.browser.text("#postCount .output"), "a count")
        self.browser.type("#postCount textarea", "}")
        self.browser.click("#postCount form button")
        harness.wait_until(lambda: "400 Bad Request" in self.browser.text("#postCount .output"), "a refusal")


if __name__ == "__main__":
    unittest.main()
