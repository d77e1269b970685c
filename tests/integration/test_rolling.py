"""A rolling restart of two services and two gateways under constant load: no request is lost.

HTTP clients do what a load balancer does: they spread over both gateways, go on to the next one where a connection is refused,
and repeat a request only when a kept-alive connection was closed before a single byte of its answer. gRPC clients take turns
over both services (round_robin) and repeat nothing: they have no retryPolicy.

CALLHISTORY_ROLLING_REQUESTS and CALLHISTORY_ROLLING_ROUNDS make it longer than ctest needs: 100000 and 5 is what the product
promises.
"""

import json
import os
import socket
import sys
import threading
import time
import unittest

import grpc

import harness
import stubs

REQUESTS = int(os.environ.get("CALLHISTORY_ROLLING_REQUESTS", "4000"))
ROUNDS = int(os.environ.get("CALLHISTORY_ROLLING_ROUNDS", "1"))
HTTP_CLIENTS, GRPC_CLIENTS, GATEWAY_WORKERS = 8, 4, 2
CLIENTS = GRPC_CLIENTS + 2 * GATEWAY_WORKERS  # of each service, a connection each
CALLS = 25
NUMBER = "0912345678"
FIELDS = {"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": NUMBER}

ROUND_ROBIN = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})


def connections(port):
    """How many clients are connected to a port of this machine; gRPC listens on sockets of IPv6."""
    rows = []
    for name in ("tcp", "tcp6"):
        with open("/proc/net/" + name, encoding="ascii") as table:
            rows += [line.split() for line in table]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


class Load:
    """What the clients share: how much was answered, and everything that went wrong."""

    def __init__(self):
        self.stop = threading.Event()
        self.answered = {}  # by client: each writes its own
        self.repeated = {}
        self.lost = []

    def total(self):
        return sum(self.answered.values())

    def lose(self, what):
        self.lost.append(what)
        self.stop.set()


class HttpClient(threading.Thread):
    """One connection at a time, kept alive; count and list in turn."""

    def __init__(self, number, load, ports, token):
        super().__init__(name=f"http-{number}")
        self.load, self.ports, self.turn = load, ports, number
        self.socket, self.buffer, self.used = None, b"", False
        self.requests = []
        for fields in (FIELDS, {**FIELDS, "page": 1, "size": 10}):
            body = json.dumps(fields).encode()
            head = (f"GET {harness.PATH} HTTP/1.1\r\nHost: balancer\r\nAuthorization: Bearer {token}\r\n"
                    f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n")
            self.requests.append(head.encode() + body)

    def connect(self):
        end = time.monotonic() + harness.WAIT_SECONDS
        while time.monotonic() < end:
            self.turn += 1
            try:
                self.socket = socket.create_connection(("127.0.0.1", self.ports[self.turn % len(self.ports)]), harness.WAIT_SECONDS)
            except ConnectionRefusedError:
                continue
            self.buffer, self.used = b"", False
            return
        raise AssertionError("no gateway takes connections")

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def exchange(self, data):
        """One request on the open connection: (head, body), or None where it was closed before any answer."""
        try:
            self.socket.sendall(data)
            while b"\r\n\r\n" not in self.buffer:
                got = self.socket.recv(65536)
                if not got and not self.buffer:
                    return None
                if not got:
                    raise AssertionError("half an answer: " + repr(self.buffer))
                self.buffer += got
        except (ConnectionResetError, BrokenPipeError):
            if self.buffer:
                raise
            return None
        head, _, rest = self.buffer.partition(b"\r\n\r\n")
        head = head.lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(rest) < length:
            got = self.socket.recv(65536)
            if not got:
                raise AssertionError("half a body")
            rest += got
        self.buffer = rest[length:]
        return head, rest[:length]

    def request(self, number):
        data = self.requests[number % 2]
        for _ in range(len(self.ports) * 2 + 1):
            if not self.socket:
                self.connect()
            answer = self.exchange(data)
            if answer:
                break
            # A fresh connection that was taken and then closed without an answer is a lost request.
            if not self.used:
                raise AssertionError("a new connection was closed before its first answer")
            self.load.repeated[self.name] = self.load.repeated.get(self.name, 0) + 1
            self.close()
        else:
            raise AssertionError("closed again and again")
        self.used = True
        head, body = answer
        if not head.startswith(b"http/1.1 200 "):
            raise AssertionError(f"{head[:200]!r} {body[:200]!r}")
        data = json.loads(body)["data"]
        if (data if number % 2 == 0 else len(data)) != (CALLS if number % 2 == 0 else 10):
            raise AssertionError(f"a wrong answer: {body[:200]!r}")
        if b"\r\nconnection: close" in head:
            self.close()

    def run(self):
        number = 0
        try:
            while not self.load.stop.is_set():
                self.request(number)
                number += 1
                self.load.answered[self.name] = number
        except Exception as problem:  # noqa: BLE001: whatever it is, the test has to say it
            self.load.lose((self.name, number, repr(problem)))
        finally:
            self.close()


class GrpcClient(threading.Thread):
    """A channel of its own with round_robin over all services."""

    def __init__(self, number, load, addresses, token):
        super().__init__(name=f"grpc-{number}")
        self.load = load
        self.channel = grpc.insecure_channel("ipv4:" + ",".join(addresses), [
            ("grpc.use_local_subchannel_pool", 1), ("grpc.service_config", ROUND_ROBIN),
            ("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000)])
        self.history = stubs.history_grpc.CallHistoryServiceStub(self.channel)
        self.metadata = [("authorization", "Bearer " + token)]

    def run(self):
        number = 0
        tenant = {"project_code": harness.PROJECT, "vbot_id": harness.VBOT, "phone": NUMBER}
        count, page = stubs.history.CountCallsRequest(**tenant), stubs.history.ListCallsRequest(page_size=10, **tenant)
        try:
            while not self.load.stop.is_set():
                if number % 2 == 0:
                    got = self.history.CountCalls(count, metadata=self.metadata, timeout=harness.WAIT_SECONDS).count == CALLS
                else:
                    got = len(self.history.ListCalls(page, metadata=self.metadata, timeout=harness.WAIT_SECONDS).calls) == 10
                if not got:
                    raise AssertionError("a wrong answer")
                number += 1
                self.load.answered[self.name] = number
        except Exception as problem:  # noqa: BLE001
            self.load.lose((self.name, number, repr(problem)))
        finally:
            self.channel.close()


class Rolling(unittest.TestCase):
    def setUp(self):
        first, second = self.stacks = [harness.Stack(service_options=("--workers", "2"), gateway_options=("--workers", str(GATEWAY_WORKERS)))
                                       for _ in range(2)]
        # Both use the first one's Redis, and both gateways both services.
        second.service.arguments += ["--redis", first.redis_url]
        for stack in self.stacks:
            stack.gateway.arguments += ["--service", f"{first.service_address},{second.service_address}"]
        self.addCleanup(first.stop)
        self.addCleanup(second.stop)
        first.start_redis()
        for stack in self.stacks:
            stack.service.start()
        for stack in self.stacks:
            stack.gateway.start()
        for stack in self.stacks:
            stack.wait_ready()
            stack.wait_service()
        first.import_lines([harness.call(NUMBER, second) for second in range(CALLS)])

    def known(self):
        """Whether all clients are connected to both services."""
        return all(connections(stack.service_port) >= CLIENTS for stack in self.stacks)

    def restart(self, stack, process):
        # A service may go only when all clients know the other one again, as minReadySeconds gives them time for in deploy/.
        harness.wait_until(self.known, f"{CLIENTS} connections to each service")
        self.assertEqual(process.stop(), 0, process.log_text()[-3000:])
        process.start()
        if process is stack.gateway:
            stack.wait_ready()
        else:
            stack.wait_service()

    def test_no_request_is_lost(self):
        load = Load()
        token = self.stacks[0].token()
        ports = [stack.gateway_port for stack in self.stacks]
        addresses = [stack.service_address for stack in self.stacks]
        clients = [HttpClient(n, load, ports, token) for n in range(HTTP_CLIENTS)]
        clients += [GrpcClient(n, load, addresses, token) for n in range(GRPC_CLIENTS)]
        order = [(stack, process) for _ in range(ROUNDS) for stack in self.stacks for process in (stack.service, stack.gateway)]
        start = time.monotonic()
        for client in clients:
            client.start()
        try:
            for turn, (stack, process) in enumerate(order):
                # Restarts are spread over the whole run.
                share = REQUESTS * (turn + 1) // (len(order) + 2)
                self.wait_for(load, share)
                self.restart(stack, process)
            self.wait_for(load, REQUESTS)
        finally:
            load.stop.set()
            for client in clients:
                client.join(harness.WAIT_SECONDS * 2)
        seconds = time.monotonic() - start
        sys.stderr.write(f"rolling: {load.total()} requests in {seconds:.0f} s during {len(order)} restarts, "
                         f"{len(load.lost)} failed, {sum(load.repeated.values())} repeated on a connection that was idle\n")
        logs = "".join(f"--- {each.log}\n{each.log_text()[-6000:]}" for stack in self.stacks for each in (stack.service, stack.gateway) if load.lost)
        self.assertEqual(load.lost, [], logs)
        # All of them had their share: nobody waited the run out.
        self.assertEqual([c.name for c in clients if not load.answered.get(c.name)], [])

    def wait_for(self, load, answers):
        harness.wait_until(lambda: load.total() >= answers or load.stop.is_set(), f"{answers} answers",
                           harness.WAIT_SECONDS + answers / 50)


if __name__ == "__main__":
    unittest.main()
