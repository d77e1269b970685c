#!/usr/bin/env python3
"""A well-behaved client: pages by HTTP and by gRPC in turn, each on one connection, until its standard input ends; each answer is checked.
Before, some connections are made for one request each.

    tests/torture/good.py GATEWAY_PORT SERVICE_PORT TOKEN

Prints JSON: seconds of each answer, and what was wrong.
"""

import gc
import json
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import grpc  # noqa: E402

import harness  # noqa: E402
import redis_servers  # noqa: E402
import stubs  # noqa: E402

NUMBER, CALLS, WAIT_S, CONNECTIONS, TRIES = "0955000001", 10, 30, 10, 20


class ByHttp:
    def __init__(self, port, token):
        body = json.dumps({"project_code": harness.PROJECT, "vbot_id": harness.VBOT, "phone": NUMBER, "page": 1, "size": CALLS})
        self.request = (f"GET {harness.PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()
        self.socket = socket.create_connection(("127.0.0.1", port), WAIT_S)

    def ask(self):
        """The answer without its head."""
        self.socket.sendall(self.request)
        got = b""
        while b"\r\n\r\n" not in got:
            got += self.socket.recv(65536) or self.closed(got)
        head, _, body = got.partition(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(body) < size:
            body += self.socket.recv(65536) or self.closed(got)
        return body

    @staticmethod
    def closed(got):
        raise ConnectionError(f"closed after {got[:200]}")


class ByGrpc:
    def __init__(self, port, token):
        self.channel = stubs.channel(f"127.0.0.1:{port}")
        self.list = stubs.history_grpc.CallHistoryServiceStub(self.channel).ListCalls
        self.request = stubs.history.ListCallsRequest(project_code=harness.PROJECT, vbot_id=harness.VBOT, phone=NUMBER, page_size=CALLS)
        self.metadata = [("authorization", "Bearer " + token)]

    def ask(self):
        return self.list(self.request, metadata=self.metadata, timeout=WAIT_S).SerializeToString()


def patiently(ask):
    """Under a sanitizer, or on a machine that does much else, requests may wait for Redis in vain: they are repeated."""
    for _ in range(TRIES if harness.SANITIZED or not redis_servers.LONG else 0):
        try:
            answer = ask()
            if b'"error":50' not in answer:
                return answer
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise
    return ask()


def main():
    gateway, service, token = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    ended, wrong, ways = threading.Event(), [], {"HTTP": ByHttp(gateway, token), "gRPC": ByGrpc(service, token)}
    right, seconds = {name: patiently(way.ask) for name, way in ways.items()}, {name: [] for name in ways}
    for _ in range(CONNECTIONS):
        patiently(ByHttp(gateway, token).ask)
        patiently(ByGrpc(service, token).ask)
    gc.disable()
    print("ready", flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.is_set() and len(wrong) < 5:
        for name, way in ways.items():
            begin = time.perf_counter()
            try:
                same = patiently(way.ask) == right[name]
            except (OSError, grpc.RpcError) as error:
                same = False
                wrong.append(f"{name}: {error}")
            else:
                if not same:
                    wrong.append(f"{name}: another answer")
            seconds[name].append(time.perf_counter() - begin)
        ended.wait(0.0005)
    print(json.dumps({"seconds": seconds, "wrong": wrong}), flush=True)


if __name__ == "__main__":
    main()
