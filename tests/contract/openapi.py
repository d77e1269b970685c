"""Holds /openapi.json against its source, the OpenAPI rules that it relies on, the routes, the error table and every golden answer.

    python3 tests/contract/openapi.py
"""

import json
import os
import re
import subprocess
import sys
import unittest

import jsonschema

import run
from run import harness

DOCUMENT = os.path.join(harness.SOURCE, "gateway", "openapi.json")
GENERATOR = os.path.join(harness.SOURCE, "gateway", "openapi.py")
ROUTES = os.path.join(harness.SOURCE, "gateway", "routes.c")
METHODS = ("get", "head", "post", "put", "patch", "delete", "options", "trace", "x-query")
# Section 4 of the contract, and what the gateway answers before it knows the path.
ERRORS = {"400", "401", "403", "404", "405", "408", "413", "414", "415", "429", "431", "500", "503", "504", "505"}


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield path, method, operation


class OpenApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = harness.Stack(gateway_options=run.GATEWAY_OPTIONS)
        try:
            cls.stack.start()
            cls.tokens = run.tokens(cls.stack)
            cls.document = json.loads(cls.stack.request("GET", "/openapi.json")[2])
        except BaseException:
            cls.stack.stop()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.stack.stop()

    def resolve(self, value):
        """What a $ref leads to."""
        while "$ref" in value:
            part = self.document
            for name in value["$ref"].removeprefix("#/").split("/"):
                part = part[name.replace("~1", "/").replace("~0", "~")]
            value = part
        return value

    def validator(self, schema):
        resolver = jsonschema.RefResolver("", self.document)
        return jsonschema.Draft202012Validator(schema, resolver=resolver)

    # -- The document itself --------------------------------------------------------------------------------------------

    def test_it_is_what_its_source_prints(self):
        made = subprocess.run([sys.executable, "-B", GENERATOR], capture_output=True, check=True).stdout
        with open(DOCUMENT, "rb") as file:
            kept = file.read()
        self.assertTrue(made == kept, "run: python3 gateway/openapi.py >gateway/openapi.json")
        self.assertEqual(self.document, json.loads(kept))

    def test_every_reference_leads_somewhere_and_every_component_is_used(self):
        used = set()

        def walk(value):
            if isinstance(value, dict):
                if "$ref" in value:
                    used.add(value["$ref"])
                    self.resolve(value)
                for part in value.values():
                    walk(part)
            elif isinstance(value, list):
                for part in value:
                    walk(part)

        walk(self.document)
        have = {f"#/components/{kind}/{name}" for kind, parts in self.document["components"].items() if kind != "securitySchemes"
                for name in parts}
        self.assertEqual(have, used)

    def test_schemas_are_schemas_and_examples_fit_them(self):
        for name, schema in self.document["components"]["schemas"].items():
            jsonschema.Draft202012Validator.check_schema(schema)
            for example in schema.get("examples", []):
                self.validator(schema).validate(example)
        for parameter in self.document["components"]["parameters"].values():
            if "example" in parameter:
                self.validator(parameter["schema"]).validate(parameter["example"])
        for path, method, operation in operations(self.document):
            for status, answer in operation["responses"].items():
                for content in self.resolve(answer).get("content", {}).values():
                    examples = [part["value"] for part in content.get("examples", {}).values()]
                    for example in examples + ([content["example"]] if "example" in content else []):
                        with self.subTest(path=path, method=method, status=status):
                            self.validator(content["schema"]).validate(example)

    def test_operations_are_whole(self):
        seen = set()
        for path, method, operation in operations(self.document):
            with self.subTest(path=path, method=method):
                self.assertNotIn(operation["operationId"], seen)
                seen.add(operation["operationId"])
                self.assertTrue(operation["summary"] and operation["description"] and operation["tags"])
                named = [self.resolve(parameter) for parameter in operation.get("parameters", [])]
                self.assertEqual({p["name"] for p in named if p["in"] == "path"}, set(re.findall(r"{(\w+)}", path)))
                if method == "head":
                    self.assertFalse([s for s, answer in operation["responses"].items() if "content" in self.resolve(answer)])

    # -- What is served -------------------------------------------------------------------------------------------------

    def test_routes_are_described_and_the_reverse(self):
        with open(ROUTES, encoding="utf-8") as file:
            table = re.search(r"struct route table\[\] = {(.*?)};", file.read(), re.DOTALL)[1]
        self.assertEqual(set(self.document["paths"]), set(re.findall(r'{"([^"]+)", (?:true|false)', table)))
        for path, item in self.document["paths"].items():
            described = {method.removeprefix("x-").upper() for method in item if method in METHODS}
            with self.subTest(path=path):
                status, headers, _ = self.stack.request("BREW", path.replace("{trans_id}", "c-1"))
                self.assertEqual((status, set(headers["Allow"].split(", "))), (405, described))
                for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "TRACE"):
                    status = self.stack.request(method, path.replace("{trans_id}", "c-1"))[0]
                    self.assertEqual(status != 405, method in described, method)

    def test_the_error_table_is_documented(self):
        for path, method, operation in operations(self.document):
            statuses = set(operation["responses"])
            with self.subTest(path=path, method=method):
                if operation["tags"] == ["history"] and method != "options":
                    refused = {"409"} if path.startswith("/m-cdr/") else {"401", "403"}
                    refused |= {"410"} if path.endswith("/changes") else set()
                    self.assertEqual(statuses - {"200", "302"}, ERRORS - {"401", "403"} | refused)
                for status, answer in operation["responses"].items():
                    named = self.resolve(answer).get("headers", {})
                    for header, when in (("Retry-After", ("429", "503")), ("Allow", ("405",)), ("WWW-Authenticate", ("401",)),
                                         ("Location", ("302",))):
                        if status in when:
                            self.assertIn(header, named, status)

    def test_every_golden_answer_is_documented_and_fits_its_schema(self):
        checked = 0
        for case in run.cases([]):
            target, headers, body = case.fill(self.tokens)
            path = target.partition("?")[0].replace("%41", "A")
            path = re.sub(r"/record/[^/]+$", "/record/{trans_id}", path)
            item = self.document["paths"].get(path)
            status, got, content = run.python_client(self.stack, case, target, headers, body)
            with self.subTest(case=case.name):
                method = "x-query" if case.method == "QUERY" else case.method.lower()
                if item is None:
                    self.assertEqual(status, 404)
                    answer = self.document["components"]["responses"]["NotFound"]
                elif method not in item:
                    self.assertEqual(status, 405)
                    answer = self.document["components"]["responses"]["MethodNotAllowed"]
                else:
                    self.assertIn(str(status), item[method]["responses"])
                    answer = self.resolve(item[method]["responses"][str(status)])
                self.fits(answer, got, content if case.method != "HEAD" else b"")
                checked += 1
        self.assertGreater(checked, 250)

    def fits(self, answer, headers, content):
        have = {name.lower(): value for name, value in headers}
        for name, described in answer.get("headers", {}).items():
            described = self.resolve(described)
            if described["required"]:
                self.assertIn(name.lower(), have)
            if name.lower() in have:
                self.validator(described["schema"]).validate(have[name.lower()])
        if not content:
            return
        kind = have["content-type"].partition(";")[0]
        self.assertIn(kind, answer["content"])
        if kind == "application/json":
            if have.get("content-encoding") == "gzip":
                content = run.gzip.decompress(content)
            self.validator(answer["content"][kind]["schema"]).validate(json.loads(content))

    def test_operation_answers_fit(self):
        for path in ("/", "/docs", "/docs.js", "/healthz", "/readyz", "/metrics", "/openapi.json"):
            connection_headers = self.stack.request("GET", path)
            answer = self.document["paths"][path]["get"]["responses"][str(connection_headers[0])]
            self.fits(self.resolve(answer), connection_headers[1].items(), connection_headers[2])


if __name__ == "__main__":
    unittest.main()
