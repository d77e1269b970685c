"""What an operator sees: metrics that any Prometheus reads, one trace id and one request id along the way, logs that are JSON, hold
no secret and no number, and can be sampled.
"""

import json
import re
import socket
import unittest

import grpc

import harness
import metrics
import stubs

NUMBER = "0912345678"
FIELDS = {"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": NUMBER}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"

GRPC = {"grpc_server_call_duration_seconds": "histogram", "grpc_server_call_started_total": "counter",
        "grpc_server_call_sent_total_compressed_message_size_bytes": "histogram",
        "grpc_server_call_rcvd_total_compressed_message_size_bytes": "histogram", "grpc_server_calls_in_flight": "gauge",
        "callhistory_redis_round_trip_seconds": "histogram", "callhistory_redis_connections": "gauge",
        "callhistory_redis_pending_commands": "gauge", "callhistory_redis_commands_total": "counter",
        "callhistory_redis_writes_total": "counter", "callhistory_redis_reconnects_total": "counter",
        "callhistory_redis_timeouts_total": "counter", "callhistory_redis_redirects_total": "counter",
        "callhistory_redis_delayed_total": "counter", "callhistory_redis_refreshes_total": "counter",
        "callhistory_redis_parked_commands": "gauge", "callhistory_redis_slots_unassigned": "gauge", "callhistory_redis_map_age_seconds": "gauge",
        "callhistory_redis_setting_risk": "gauge", "callhistory_token_cache_hits_total": "counter",
        "callhistory_token_cache_misses_total": "counter", "callhistory_build_info": "gauge", "callhistory_workers": "gauge",
        "callhistory_worker_requests": "gauge", "callhistory_worker_requests_limit": "gauge"}
HTTP = {"http_server_request_duration_seconds": "histogram", "grpc_client_attempt_duration_seconds": "histogram",
        "grpc_client_attempt_started_total": "counter",
        "grpc_client_attempt_sent_total_compressed_message_size_bytes": "histogram",
        "grpc_client_attempt_rcvd_total_compressed_message_size_bytes": "histogram",
        "grpc_client_call_duration_seconds": "histogram", "grpc_server_call_duration_seconds": "histogram",
        "http_server_active_requests": "gauge",
        "http_server_open_connections": "gauge", "callhistory_build_info": "gauge", "callhistory_gateway_workers": "gauge",
        "callhistory_worker_requests": "gauge", "callhistory_worker_requests_limit": "gauge"}


def lines(process):
    """A log as objects; every line must be one."""
    return [json.loads(line) for line in process.log_text().splitlines()]


class Observability(harness.StackTest):
    options = ("--log-level", "debug", "--access-log", "1", "--workers", "2")
    service_options = gateway_options = options

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stack.import_lines([harness.call(NUMBER, second) for second in range(12)])

    def service_page(self):
        return metrics.parse(self.stack.metrics())

    def gateway_page(self):
        return metrics.parse(self.stack.metrics(self.stack.gateway_port))

    def ask(self, fields=None, **headers):
        return self.stack.request("GET", body=json.dumps({**FIELDS, **(fields or {})}), headers={
            "Authorization": "Bearer " + self.stack.token(), **{name.replace("_", "-"): value for name, value in headers.items()}})

    # -- metrics ------------------------------------------------------------------------------------------------------

    def test_both_pages_are_well_formed_and_complete(self):
        for fields in ({}, {"page": 1, "size": 5}, {"page": 0, "size": 5}):
            self.ask(fields)
        self.stack.request("GET", "/nowhere")
        for page in (self.service_page, self.gateway_page):
            harness.eventually(lambda page=page: metrics.check_sums(page()))
        for page, families in ((self.service_page(), GRPC), (self.gateway_page(), HTTP)):
            for name, kind in families.items():
                self.assertEqual(page.families.get(name), kind, name)
        build = [dict(labels) for labels in (*self.service_page().series("callhistory_build_info"),
                                             *self.gateway_page().series("callhistory_build_info"))]
        self.assertEqual([one["program"] for one in build], ["callhistoryd", "callhistory-gateway"])
        for one in build:
            self.assertRegex(one["version"], r"^\d+\.\d+\.\d+$")

    def test_each_worker_shows_its_requests_and_its_bound(self):
        """--max-in-flight is 4096: of each worker of the service, and of all workers of the gateway."""
        for page, limit in ((self.service_page(), 4096), (self.gateway_page(), 2048)):
            for worker in ("0", "1"):
                self.assertEqual(page.value("callhistory_worker_requests_limit", worker=worker), limit)
            self.assertEqual(len(page.series("callhistory_worker_requests")), 2)

    def test_calls_are_counted_by_method_and_status(self):
        name, method = "grpc_server_call_duration_seconds", "callhistory.v1.CallHistoryService/ListCalls"
        before = self.service_page()
        for _ in range(3):
            self.assertEqual(self.ask({"page": 1, "size": 5})[0], 200)
        self.assertEqual(self.stack.get({**FIELDS, "page": 1, "size": 5}, token="nobody")[0], 401)

        def counted():
            after = self.service_page()
            for labels, more in (({"grpc_status": "OK"}, 3), ({"grpc_status": "UNAUTHENTICATED"}, 1)):
                labels = {"grpc_method": method, **labels}
                self.assertEqual(after.count(name, **labels) - before.count(name, **labels), more)
            started = "grpc_server_call_started_total"
            self.assertEqual(after.value(started, grpc_method=method) - before.value(started, grpc_method=method), 4)
            sent, received = (f"grpc_server_call_{way}_total_compressed_message_size_bytes" for way in ("sent", "rcvd"))
            ok = {"grpc_method": method, "grpc_status": "OK"}
            self.assertEqual(after.count(sent, **ok) - before.count(sent, **ok), 3)
            for way in (sent, received):
                self.assertGreater(after.value(way + "_sum", **ok), before.value(way + "_sum", **ok))

        harness.eventually(counted)

    def test_requests_are_counted_by_route_method_and_status(self):
        name, route = "http_server_request_duration_seconds", {"http_route": harness.PATH, "http_request_method": "GET"}
        before = self.gateway_page()
        for _ in range(3):
            self.assertEqual(self.ask()[0], 200)
        self.assertEqual(self.ask({"page": 0, "size": 1})[0], 400)

        def counted():
            after = self.gateway_page()
            for status, more in (("200", 3), ("400", 1)):
                labels = {**route, "http_response_status_code": status}
                self.assertEqual(after.count(name, **labels) - before.count(name, **labels), more)

        harness.eventually(counted)
        # A path that nobody serves is no label: clients must not be able to make series.
        self.stack.request("GET", "/" + "x" * 30)
        self.assertNotIn("xxx", self.stack.metrics(self.stack.gateway_port))

    def test_the_gateways_own_calls_are_counted(self):
        labels = {"grpc_method": "callhistory.v1.CallHistoryService/CountCalls", "grpc_target": self.stack.service_address}
        before = self.gateway_page()
        for token, times in ((self.stack.token(), 3), ("nobody", 1)):
            for _ in range(times):
                self.stack.get(FIELDS, token=token)

        def counted():
            after = self.gateway_page()
            for name in ("grpc_client_attempt_duration_seconds", "grpc_client_call_duration_seconds"):
                for code, more in (("OK", 3), ("UNAUTHENTICATED", 1)):
                    found = [page.count(name, **labels, grpc_status=code) for page in (before, after)]
                    self.assertEqual(found[1] - found[0], more, (name, code))
            started = "grpc_client_attempt_started_total"
            self.assertEqual(after.value(started, **labels) - before.value(started, **labels), 4)
            for way in ("sent", "rcvd"):
                name = f"grpc_client_attempt_{way}_total_compressed_message_size_bytes"
                ok = {**labels, "grpc_status": "OK"}
                self.assertEqual(after.count(name, **ok) - before.count(name, **ok), 3)
                self.assertGreater(after.value(name + "_sum", **ok), before.value(name + "_sum", **ok))

        harness.eventually(counted)

    def test_the_gateway_shows_no_method_that_nobody_calls(self):
        self.ask()
        text = self.stack.metrics(self.stack.gateway_port)
        self.assertNotIn('grpc_method="other"', text)
        self.assertIn("grpc_server_call_duration_seconds_count", text)

    def test_redis_and_the_token_cache_are_counted(self):
        before = self.service_page()
        for _ in range(5):
            self.ask()

        def counted():
            page = self.service_page()
            grown = lambda name: page.value(name) > before.value(name)
            return (grown("callhistory_token_cache_hits_total") and grown("callhistory_redis_commands_total") and
                    grown("callhistory_redis_writes_total") and
                    page.count("callhistory_redis_round_trip_seconds") > before.count("callhistory_redis_round_trip_seconds"))

        harness.wait_until(counted, "counters")  # gauges and counters of Redis are taken over ten times a second
        self.stack.get(FIELDS, token="never-seen-before")
        misses = "callhistory_token_cache_misses_total"
        harness.wait_until(lambda: self.service_page().value(misses) > before.value(misses), "a miss")
        page = self.service_page()
        self.assertEqual(page.value("callhistory_redis_connections"), 2)

    # -- traces and ids -----------------------------------------------------------------------------------------------

    def line(self, process, message, request_id):
        """The access line of a request."""
        def find():
            return [line for line in lines(process) if line["message"] == message and line.get("request_id") == request_id]

        harness.wait_until(find, f"a line of {process.name}")
        self.assertEqual(len(find()), 1)
        return find()[0]

    def test_one_trace_and_one_request_id_along_the_way(self):
        status, headers, _ = self.ask(traceparent=PARENT, X_Request_Id="a-request-of-mine")
        self.assertEqual((status, headers["X-Request-Id"], headers["traceparent"]), (200, "a-request-of-mine", PARENT))
        http_line = self.line(self.stack.gateway, "request", "a-request-of-mine")
        grpc_line = self.line(self.stack.service, "call", "a-request-of-mine")
        self.assertEqual((http_line["trace_id"], grpc_line["trace_id"]), (TRACE, TRACE))
        self.assertEqual((http_line["route"], http_line["method"], http_line["status"]), (harness.PATH, "GET", "200"))
        self.assertEqual((grpc_line["method"], grpc_line["status"]), ("callhistory.v1.CallHistoryService/CountCalls", "OK"))

    def test_ids_are_made_where_the_client_brings_none(self):
        _, headers, _ = self.ask()
        made = headers["X-Request-Id"]
        self.assertRegex(made, "^[0-9a-f]{32}$")
        traces = {self.line(self.stack.gateway, "request", made)["trace_id"], self.line(self.stack.service, "call", made)["trace_id"]}
        self.assertEqual(len(traces), 1)
        self.assertRegex(traces.pop(), "^[0-9a-f]{32}$")

    def test_a_grpc_client_gets_its_request_id_back(self):
        with stubs.channel(self.stack.service_address) as channel:
            count = stubs.history_grpc.CallHistoryServiceStub(channel).CountCalls
            for token, code in ((self.stack.token(), grpc.StatusCode.OK), ("nobody", grpc.StatusCode.UNAUTHENTICATED)):
                call = count.future(stubs.history.CountCallsRequest(), timeout=harness.WAIT_SECONDS, metadata=[
                    ("authorization", "Bearer " + token), ("x-request-id", "grpc-" + code.name), ("traceparent", PARENT)])
                self.assertEqual(call.code(), code)
                self.assertIn(("x-request-id", "grpc-" + code.name), call.trailing_metadata())
                line = self.line(self.stack.service, "call", "grpc-" + code.name)
                self.assertEqual((line["trace_id"], line["status"]), (TRACE, code.name))

    def test_a_call_that_is_refused_has_its_ids_too(self):
        with stubs.channel(self.stack.service_address) as channel:
            for number, (method, request) in enumerate((("/callhistory.v1.CallHistoryService/Nothing", b""),
                                                        ("/callhistory.v1.CallHistoryService/CountCalls", b"\xff"))):
                call = channel.unary_unary(method).future(request, timeout=harness.WAIT_SECONDS, metadata=[
                    ("authorization", "Bearer " + self.stack.token()), ("x-request-id", f"refused-{number}"), ("traceparent", PARENT)])
                self.assertIn(call.code(), (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INVALID_ARGUMENT))
                self.assertEqual(self.line(self.stack.service, "call", f"refused-{number}")["trace_id"], TRACE)

    def test_what_is_no_traceparent_is_no_trace(self):
        with stubs.channel(self.stack.service_address) as channel:
            count = stubs.history_grpc.CallHistoryServiceStub(channel).CountCalls
            for number, parent in enumerate(("0912345678" * 5, "", PARENT.replace("4", "g"))):
                count(stubs.history.CountCallsRequest(), timeout=harness.WAIT_SECONDS, metadata=[
                    ("authorization", "Bearer " + self.stack.token()), ("x-request-id", f"untraced-{number}"), ("traceparent", parent)])
                self.assertNotIn("trace_id", self.line(self.stack.service, "call", f"untraced-{number}"))

    # -- logs ---------------------------------------------------------------------------------------------------------

    def test_logs_hold_no_number_and_no_token(self):
        """After every kind of request, at the most talkative level."""
        tokens = [self.stack.token(), self.stack.token("writer"), "a-made-up-token-of-somebody"]
        for token in tokens:
            for fields in ({}, {"page": 1, "size": 5}, {"page": "x", "size": 5}, {"phone": "+84 912 345 678"}, {"phone": "0" * 40}):
                self.stack.get({**FIELDS, **fields}, token=token)
                self.stack.get({**FIELDS, **fields}, token=token, method="POST")
            query = f"?vbot_id={harness.VBOT}&project_code={harness.PROJECT}&phone={NUMBER}"
            self.stack.request("GET", harness.PATH + query, headers={"X-API-KEY": token})
            self.stack.request("GET", harness.PATH + query + "&access_token=" + token)
        self.stack.import_lines([harness.call("0987654321", 1, caller=[{"phone": "0987654321"}], callee=[{"phone": "0977777777"}])])
        last = self.ask()[1]["X-Request-Id"]
        self.line(self.stack.gateway, "request", last)
        self.line(self.stack.service, "call", last)
        for process in (self.stack.gateway, self.stack.service):
            text = process.log_text()
            for secret in (*tokens, NUMBER, "912345678", "912 345 678", "0987654321", "0977777777", "0" * 40):
                self.assertNotIn(secret, text, process.name)
        phones = {line["phone"] for line in lines(self.stack.gateway) if "phone" in line}
        self.assertIn("*******678", phones)

    def test_logs_are_json_one_object_a_line(self):
        self.ask(X_Request_Id='odd"id\\with{everything}')
        for process in (self.stack.gateway, self.stack.service):
            for line in lines(process):
                self.assertIsInstance(line, dict)
                self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
                self.assertIn(line["level"], ("debug", "info", "warn", "error"))
                self.assertEqual(line["program"], process.name)
                self.assertTrue(line["message"])


class Sampling(unittest.TestCase):
    """A share of requests is logged; what is counted is all of them."""

    def test_a_fault_of_ours_is_always_told(self):
        """An answer of 500 says that the logs name it: both logs do, also where no request is sampled."""
        stack = harness.Stack()
        self.addCleanup(stack.stop)
        stack.start()
        stack.import_lines([harness.call(NUMBER)])
        with socket.socket(socket.AF_UNIX) as redis:
            redis.connect(stack.redis_socket)
            spoil = "for _, key in ipairs(redis.call('KEYS', '*')) do if redis.call('TYPE', key).ok == 'zset' then " \
                    "redis.call('DEL', key) redis.call('LPUSH', key, 'no set') end end return 1"
            redis.sendall(b"*3\r\n$4\r\nEVAL\r\n$%d\r\n%s\r\n$1\r\n0\r\n" % (len(spoil), spoil.encode()))
            self.assertEqual(redis.recv(100), b":1\r\n")
        status, _, _ = stack.request("GET", body=json.dumps({**FIELDS, "page": 1, "size": 10}), headers={
            "Authorization": "Bearer " + stack.token(), "X-Request-Id": "ours"})
        self.assertEqual(status, 500)

        def told():
            for process, message in ((stack.gateway, "request"), (stack.service, "call")):
                self.assertIn("ours", [line.get("request_id") for line in lines(process) if line["message"] == message])

        harness.eventually(told)

    def lines_of(self, share, requests=200):
        options = ("--access-log", share, "--workers", "1")
        stack = harness.Stack(options, options)
        self.addCleanup(stack.stop)
        stack.start()
        for _ in range(requests):
            self.assertEqual(stack.count(NUMBER), 0)
        route = {"http_route": harness.PATH}
        self.assertEqual(metrics.parse(stack.metrics(stack.gateway_port)).count("http_server_request_duration_seconds", **route), requests)
        # Lines are written by a thread of their own; all are there once the programs have ended.
        self.assertEqual({process.stop() for process in (stack.gateway, stack.service)}, {0})
        return [len(re.findall(f'"message":"{message}".*({harness.PATH}|CountCalls)', process.log_text()))
                for process, message in ((stack.gateway, "request"), (stack.service, "call"))]

    def test_none_half_and_all(self):
        self.assertEqual(self.lines_of("0"), [0, 0])
        self.assertEqual(self.lines_of("1"), [200, 200])
        for logged in self.lines_of("0.5"):
            self.assertTrue(40 < logged < 160, logged)  # 60 from the middle: more than eight deviations


if __name__ == "__main__":
    unittest.main()
