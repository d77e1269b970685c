"""Errors of the contract's table (section 4) that need something to break: 429, 500, 503, 504."""

import json
import unittest

import harness

NUMBER = "0937000001"
FIELDS = {"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": NUMBER}
LIST = json.dumps({**FIELDS, "page": 1, "size": 10})


class ContractErrors(harness.StackTest):
    def setUp(self):
        self.stack.import_lines([harness.call(NUMBER, 1)])

    def ask(self, token=None, body=LIST, path=harness.PATH, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.stack.request("GET", path, body, {"Authorization": "Bearer " + (token or self.stack.token()), **headers})

    def refused(self, answer, status, message):
        got, headers, body = answer
        self.assertEqual(got, status, body)
        self.assertEqual(headers["Content-Type"], "application/json; charset=utf-8")
        self.assertEqual(headers["Cache-Control"], "no-store")
        self.assertEqual(json.loads(body), {"status": 0, "error": status, "message": message})
        self.assertEqual(list(json.loads(body)), ["status", "error", "message"])
        return headers

    def test_429_over_the_tokens_rate(self):
        """"RESOURCE_EXHAUSTED | 429 with `Retry-After` | over the token's rate" """
        slow = self.stack.issue("reader", ((harness.PROJECT, harness.VBOT),), "--rate", "1")
        answer = None
        for _ in range(200):
            answer = self.ask(slow)
            if answer[0] != 200:
                break
        headers = self.refused(answer, 429, json.loads(answer[2])["message"])
        self.assertGreaterEqual(int(headers["Retry-After"]), 1)
        # Another token is not slowed down by it.
        self.assertEqual(self.ask()[0], 200)

    def test_503_while_redis_is_away(self):
        """"UNAVAILABLE | 503 with `Retry-After` | service or Redis away" """
        self.stack.redis.kill()
        try:
            headers = self.refused(self.ask(), 503, "the service is unavailable; try again later")
            self.assertEqual(headers["Retry-After"], "1")
        finally:
            self.stack.redis.start()
        self.stack.wait_ready()
        harness.wait_until(lambda: self.ask()[0] == 200, "an answer")

    def test_503_while_the_service_is_away(self):
        self.stack.service.kill()
        try:
            headers = self.refused(self.ask(), 503, "the service is unavailable; try again later")
            self.assertEqual(headers["Retry-After"], "1")
        finally:
            self.stack.service.start()
        self.stack.wait_ready()

    def test_504_when_the_time_is_up(self):
        """"DEADLINE_EXCEEDED | 504" """
        self.stack.service.signal(harness.SIGSTOP)
        try:
            self.refused(self.ask(X_Request_Timeout="300"), 504, "the service did not answer in time")
        finally:
            self.stack.service.signal(harness.SIGCONT)
        self.stack.wait_ready()

    def test_500_names_nothing_inside(self):
        """"INTERNAL, anything else | 500 | never with internals in `message`" """
        broken = "0937000002"
        self.stack.import_lines([harness.call(broken, 1)])
        script = "for _,k in ipairs(redis.call('KEYS','*}" + broken + "')) do redis.call('SET',k,'nothing of ours') end return 1"
        redis = harness.RedisClient(self.stack.redis_socket)
        self.assertEqual(redis("EVAL", script, "0"), 1)
        redis.close()
        programs = (self.stack.gateway, self.stack.service)
        before = [program.log_text().count("\n") for program in programs]
        for _ in range(300):
            self.refused(self.ask(body=json.dumps({**FIELDS, "phone": broken})), 500,
                         "internal error; give the X-Request-Id header to the operator")
        self.assertEqual(self.ask()[0], 200)
        # One line of each kind and interval, not one for each request.
        for program, lines in zip(programs, before):
            grown = program.log_text().count("\n") - lines
            self.assertIn(grown, range(1, 20), program.name)

    def test_500_where_a_record_is_damaged(self):
        """A list and a recording say so alike; neither takes a damaged record for one without recordings."""
        damaged = "0937000003"
        self.stack.import_lines([harness.call(damaged, 1, id="damaged-1")])
        script = ("for _,k in ipairs(redis.call('KEYS','*}" + damaged + "')) do local m = redis.call('ZRANGE',k,0,0,'WITHSCORES') "
                  "redis.call('ZREM',k,m[1]) redis.call('ZADD',k,m[2],m[1]..string.char(255)) end return 1")
        redis = harness.RedisClient(self.stack.redis_socket)
        self.assertEqual(redis("EVAL", script, "0"), 1)
        redis.close()
        message = "internal error; give the X-Request-Id header to the operator"
        self.refused(self.ask(body=json.dumps({**FIELDS, "phone": damaged, "page": 1, "size": 10})), 500, message)
        self.refused(self.ask(path=harness.PATH.replace("getAll", "record/damaged-1")), 500, message)


if __name__ == "__main__":
    unittest.main()
