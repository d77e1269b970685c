"""Each allocation of the programs' own code fails once while each case of the contract suite is played, and while calls are recorded and deleted.

The answer is the golden one or an error, the programs go on, and after each recording and deletion `callhistoryctl verify` finds nothing.
The short form plays every tenth case; CALLHISTORY_LONG=1 (tests/run --long) plays all, and starts each program with each of its
allocations failing.
"""

import mmap
import os
import struct
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", name) for name in ("integration", "contract")]

import grpc  # noqa: E402

import harness  # noqa: E402
import redis_servers  # noqa: E402
import run as contract  # noqa: E402
import stubs  # noqa: E402

LONG = redis_servers.LONG
LIBRARY = os.path.join(harness.BIN, "..", "lib", "libfailing.so")
ERRORS, MOST = (400, 429, 431, 500, 503, 504), 2000
EACH, EACH_START = (1, 1) if LONG else (10, 40)  # of the cases; of the allocations of a start


class Control:
    """What failing.c reads."""

    def __init__(self, folder, name):
        self.path = os.path.join(folder, name)
        with open(self.path, "w+b") as file:
            file.write(bytes(24))
            file.flush()
            self.shared = mmap.mmap(file.fileno(), 24)

    def arm(self, nth):
        self.shared[8:24] = bytes(16)
        self.shared[:8] = struct.pack("=q", nth)

    def disarm(self):
        """Whether one failed."""
        self.shared[:8] = bytes(8)
        return struct.unpack("=q", self.shared[16:24])[0] > 0

    def environment(self):
        return {"LD_PRELOAD": LIBRARY, "CALLHISTORY_FAILING": self.path}


class Memory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = harness.Stack(contract.GATEWAY_OPTIONS + ("--workers", "1"), ("--workers", "1"))
        cls.addClassCleanup(cls.stack.stop)
        cls.controls = {}
        for process in (cls.stack.service, cls.stack.gateway):
            control = cls.controls[process] = Control(cls.stack.folder, process.name + ".failing")
            process.arguments = ["env", *(f"{name}={value}" for name, value in control.environment().items()), *process.arguments]
        cls.stack.start()
        cls.tokens = contract.tokens(cls.stack)
        cls.count = 0

    def each(self, process, play, right, refusal=None):
        """Plays with each allocation failing, until there are no more; before each, all is right again.

        A `refusal` is the right status: where there is no memory for its reason, its words are general ones.
        """
        for nth in range(1, MOST):
            harness.wait_until(right, "all to be right")
            self.controls[process].arm(nth)
            played = play()
            failed = self.controls[process].disarm()
            self.assertTrue(process.running(), process.log_text()[-2000:])
            if not failed:
                return played
            type(self).count += 1
            problem, status = played
            self.assertTrue(problem is None or status in (*ERRORS, refusal), f"{process.name}, allocation {nth}: {status}, {problem}")
        self.fail(f"more than {MOST} allocations")

    def play(self, case):
        try:
            answer = contract.python_client(self.stack, case, *case.fill(self.tokens))
        except (OSError, contract.harness.http.client.HTTPException) as error:
            return f"no answer: {error}", 503
        return contract.check(case, *answer), answer[0]

    def test_each_case_of_the_contract(self):
        cases = [case for case in contract.cases([]) if not case.clients or "python" in case.clients][::EACH]
        for case in cases:
            status = self.play(case)[1]
            for process in self.controls:
                with self.subTest(case.name, program=process.name):
                    self.each(process, lambda case=case: self.play(case), lambda case=case: self.play(case)[0] is None,
                              status if status >= 400 else None)
        print(f"{len(cases)} cases, {self.count} allocations failed", flush=True)

    def verify(self):
        done = subprocess.run([os.path.join(harness.BIN, "callhistoryctl"), "--redis", self.stack.operator_url, "verify"], capture_output=True,
                              text=True, env=harness.clean_environment(), timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_recording_and_deleting(self):
        service, eraser = self.stack.service, self.stack.issue("eraser")
        tenant = {"project_code": harness.PROJECT, "vbot_id": harness.VBOT}
        calls = [stubs.call("0966000001", second) for second in range(120)]
        for second, call in enumerate(calls):
            call.callees.add(phone=str(101 + second % 3))
        moved = [stubs.call("0966000002", second) for second in range(2)]
        for old, new in zip(calls, moved):
            new.id = old.id
        with stubs.channel(self.stack.service_address) as channel:
            ingest = stubs.ingest_grpc.CallIngestServiceStub(channel)

            def ask(method, request, token):
                try:
                    method(request, metadata=[("authorization", "Bearer " + token)], timeout=10)
                    return None, 200
                except grpc.RpcError as error:
                    return error.details(), {"RESOURCE_EXHAUSTED": 429, "UNAVAILABLE": 503, "INTERNAL": 500, "DEADLINE_EXCEEDED": 504}.get(error.code().name)

            def steps():
                for batch in (calls, moved):
                    yield ingest.RecordCalls, stubs.ingest.RecordCallsRequest(calls=batch, **tenant), self.stack.token("writer")
                for what in ({"ids": [call.id for call in calls[:50]]}, {"phone": "101"}):
                    yield ingest.DeleteCalls, stubs.ingest.DeleteCallsRequest(**what, **tenant), eraser

            before = []
            for step in steps():
                def again(before=tuple(before)):
                    """What came before, so that the step has all its work to do; and nothing half-written is left."""
                    self.verify()
                    return all(ask(*one)[0] is None for one in before)
                with self.subTest(type(step[1]).__name__):
                    self.each(service, lambda step=step: ask(*step), again)
                    self.verify()
                before.append(step)
        print(f"recording and deleting: {self.count} allocations failed so far", flush=True)


    def test_exports(self):
        """All of it, or the first messages and an error; the next one continues there."""
        calls, tenant = [stubs.call("0966000003", second) for second in range(150)], ("EXPORT", "MEMORY")
        metadata = [("authorization", "Bearer " + self.stack.issue("writer", (tenant,)))]
        with stubs.channel(self.stack.service_address) as channel:
            ingest = stubs.ingest_grpc.CallIngestServiceStub(channel)
            history = stubs.history_grpc.CallHistoryServiceStub(channel)
            ingest.RecordCalls(stubs.ingest.RecordCallsRequest(calls=calls), metadata=metadata, timeout=10)
            calls.reverse()

            def export(got=(), token="", **more):
                got = list(got)
                request = stubs.history.ExportCallsRequest(page_size=30, page_token=token, **more)
                try:
                    for message in history.ExportCalls(request, metadata=metadata, timeout=10):
                        got += message.calls
                        token = message.next_page_token
                except grpc.RpcError as error:
                    return got, token, error
                return got, token, None

            def play(**more):
                got, token, error = export(**more)
                if error is None:
                    return None if got == calls else f"{len(got)} calls, not {len(calls)}", 200
                self.assertEqual(got, calls[:len(got)])
                rest, _, again = export(got, token, **more)  # the failure is over, unless nothing has failed yet
                self.assertTrue(again is not None or rest == calls, f"{len(rest)} calls, not {len(calls)}")
                return error.details(), {"RESOURCE_EXHAUSTED": 429, "UNAVAILABLE": 503, "INTERNAL": 500}.get(error.code().name)

            for name, more in (("all", {}), ("filtered", {"filter": stubs.history.CallFilter(directions=[1])})):
                with self.subTest(name):
                    self.each(self.stack.service, lambda more=more: play(**more), lambda more=more: play(**more)[0] is None)
        print(f"exports: {self.count} allocations failed so far", flush=True)


class Starts(unittest.TestCase):
    def test_each_allocation_of_a_start(self):
        """It ends with an error, or it serves; never by a signal."""
        stack, count = harness.Stack(service_options=("--workers", "1"), gateway_options=("--workers", "1")), 0
        self.addCleanup(stack.stop)
        stack.start_redis()
        for process, port in ((stack.service, stack.service_port), (stack.gateway, stack.gateway_port)):
            control = Control(stack.folder, process.name + ".failing")
            environment = {**harness.clean_environment(), **control.environment()}
            for nth in range(1, MOST, EACH_START):
                control.arm(nth)
                with open(process.log, "ab") as log:
                    program = subprocess.Popen(process.arguments, env=environment, stdout=log, stderr=log)
                try:
                    harness.wait_until(lambda program=program, port=port: program.poll() is not None or harness.connects(port), "an end")
                    failed = control.disarm()
                    if program.poll() is None:
                        program.terminate()
                    status = program.wait(harness.WAIT_SECONDS)
                finally:
                    program.kill()
                    program.wait()
                with self.subTest(process.name, allocation=nth):
                    self.assertIn(status, (0, 1, 2), process.log_text()[-2000:])
                if not failed:
                    break
                count += 1
        print(f"{count} allocations of starts failed")


if __name__ == "__main__":
    unittest.main()
