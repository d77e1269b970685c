#!/usr/bin/env python3
"""One hostile client: does harm in one way until its standard input ends.

    tests/torture/hostile.py KIND GATEWAY_PORT SERVICE_PORT CONNECTIONS TOKEN
"""

import contextlib
import gzip
import itertools
import json
import os
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import harness  # noqa: E402
import http2  # noqa: E402

COUNT, LIST = "/callhistory.v1.CallHistoryService/CountCalls", "/callhistory.v1.CallHistoryService/ListCalls"
NUMBER, CALLS = "0944000001", 100  # a number with a long page
HEAD = b"GET " + harness.PATH.encode() + b" HTTP/1.1\r\nHost: x\r\n"
PER_ADDRESS = 800  # below what one address may have
# Under a sanitizer everything costs the servers far more, but not those who do the harm.
EFFORT = 8 if harness.SANITIZED else 1
AGAIN_S, AT_ONCE_S = 0.5 * EFFORT, 0.1 * EFFORT  # before a connection that was closed is made again

ended = threading.Event()


class Crowd:
    """Many connections, from as many addresses of the loopback as it takes; one that was closed is made again soon after."""

    def __init__(self, port, count, greeting=b"", buffer=None):
        self.port, self.count, self.greeting, self.buffer = port, count, greeting, buffer
        self.sockets, self.due, self.again = [None] * count, [0.0] * count, AGAIN_S

    def connect(self, i):
        made = socket.socket()
        if self.buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.buffer)
        made.settimeout(10)
        made.bind((f"127.0.1.{1 + i // PER_ADDRESS}", 0))
        made.connect(("127.0.0.1", self.port))
        self.sockets[i] = made
        made.sendall(self.greeting)
        made.setblocking(False)

    @staticmethod
    def drop(one):
        """Takes what has come; raises where the other side has closed."""
        with contextlib.suppress(BlockingIOError):
            while True:
                if not one.recv(65536):
                    raise ConnectionResetError

    def turn(self, i, piece, read):
        try:
            if self.sockets[i] is None:
                self.connect(i)
            if read:
                self.drop(self.sockets[i])
            with contextlib.suppress(BlockingIOError):
                self.sockets[i].send(piece)
        except OSError:
            if self.sockets[i]:
                self.sockets[i].close()
            self.sockets[i], self.due[i] = None, time.monotonic() + self.again

    def send(self, pieces, pause=0.0, read=True):
        """Sends a piece on each in turn, as much of it as the other side takes; pieces of a list again and again."""
        pieces = itertools.cycle(pieces) if isinstance(pieces, list) else pieces
        while not ended.is_set():
            ready = [i for i in range(self.count) if self.sockets[i] or self.due[i] <= time.monotonic()]
            for i in ready:
                self.turn(i, next(pieces), read)
                if pause and ended.wait(pause):
                    return
            ended.wait(0 if ready else self.again / 10)


def slowly(count):
    """A pause with which each connection has its turn about every half a second."""
    return 0.5 / count


# -- HTTP/1.1, to the gateway --------------------------------------------------------------------------------------------

def slowloris(gateway, _, count, token):
    Crowd(gateway, count, HEAD).send([b"X-%d: y\r\n" % i for i in range(1000)], slowly(count))


def trickled_bodies(gateway, _, count, token):
    Crowd(gateway, count, HEAD + b"Content-Length: 4096\r\n\r\n").send([b"x"], slowly(count))


def idle_connections(gateway, service, count, token):
    """Most to the gateway; the service takes 4,096 by default."""
    for part in (Crowd(gateway, count * 7 // 10), Flood(service, count * 3 // 10)):
        threading.Thread(target=part.send, args=([b""], slowly(count)), daemon=True).start()


def large_heads(gateway, _, count, token):
    Crowd(gateway, count).send([HEAD + b"X: " + b"y" * size + b"\r\n\r\n" for size in (8000, 8200, 65000, 500000)])


def smuggling(gateway, _, count, token):
    """Each shape with a second request hidden in it. The service's log and the good client tell whether one came through."""
    hidden = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    size = b"%d" % len(hidden)
    shapes = (b"Content-Length: " + size + b"\r\nContent-Length: 0\r\n\r\n", b"Content-Length: " + size + b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
              b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
              b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", b"Content-Length: 0,0\r\n\r\n",
              b"X: a\r\n Content-Length: 0\r\n\r\n", b"X: a\nContent-Length: 0\r\n\r\n", b"Content-Length: 0x0\r\n\r\n", b"Content-Length: -0\r\n\r\n",
              b"Transfer-Encoding: chunked\r\n\r\n0;" + b"a" * 100 + b"\n\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n00000000000000001\r\nx\r\n0\r\n\r\n")
    Crowd(gateway, count).send([HEAD + shape + hidden for shape in shapes])


def pipelined_garbage(gateway, _, count, token):
    good = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    Crowd(gateway, count).send([good * 50 + os.urandom(500), b"\r\n" * 2000, os.urandom(4000), good * 200 + b"GET\r\n\r\n"])


def slow_readers(gateway, _, count, token):
    body = json.dumps({"project_code": harness.PROJECT, "vbot_id": harness.VBOT, "phone": NUMBER, "page": 1, "size": CALLS}).encode()
    request = HEAD + b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n" % (token.encode(), len(body)) + body
    Crowd(gateway, count, request * 20, 4096).send([b""], slowly(count), read=False)


# -- HTTP/2, to the service ----------------------------------------------------------------------------------------------

class Flood(Crowd):
    def __init__(self, service, count):
        super().__init__(service, count, http2.PREFACE + http2.frame(http2.SETTINGS, 0, 0))


def request(stream, *more, path=COUNT, end=False):
    return http2.frame(http2.HEADERS, http2.END_HEADERS | (http2.END_STREAM if end else 0), stream, http2.headers(path, *more))


def rapid_reset(_, service, count, token):
    reset = http2.frame(http2.RST_STREAM, 0, 1, b"\0\0\0\x08")
    # One burst for a connection: further ones would have numbers of streams that were used.
    pieces = b"".join(request(stream) + reset[:5] + struct.pack(">I", stream) + reset[9:] for stream in range(1, 2000, 2))
    flood = Flood(service, count)
    flood.greeting += pieces
    # So that the bound on the resets of all connections together is always reached.
    flood.again = AT_ONCE_S
    flood.send([b""])


def continuation(_, service, count, token):
    flood = Flood(service, count)
    flood.greeting += http2.frame(http2.HEADERS, 0, 1, http2.headers(COUNT))
    flood.send([http2.frame(http2.CONTINUATION, 0, 1, http2.field(b"x-filler", b"y" * 100) * 10) * 8])


def pings(_, service, count, token):
    Flood(service, count).send([http2.frame(http2.PING, 0, 0, bytes(8)) * 200])


def settings(_, service, count, token):
    Flood(service, count).send([http2.frame(http2.SETTINGS, 0, 0, struct.pack(">HI", http2.INITIAL_WINDOW_SIZE, 1000 + i)) * 200 for i in range(5)])


def window_updates(_, service, count, token):
    Flood(service, count).send([http2.frame(http2.WINDOW_UPDATE, 0, 0, b"\0\0\0\1") * 200])


def malformed_frames(_, service, count, token):
    """Frames of no meaning, of wrong sizes, on wrong streams, and plain noise."""
    shapes = [http2.frame(http2.DATA, 0, 0, b"x"), http2.frame(http2.WINDOW_UPDATE, 0, 0, b"\0\0\0\0"), http2.frame(http2.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 2,
              http2.frame(http2.HEADERS, 0x28, 1, b"\xff\xff\xff"), http2.frame(http2.SETTINGS, http2.ACK, 0, b"12345"), http2.frame(http2.PING, 0, 7, b"1"),
              http2.frame(http2.CONTINUATION, 4, 1, b""), http2.frame(http2.HEADERS, 4, 1, b"\x3f\xff\xff\xff\xff\xff"), http2.frame(http2.RST_STREAM, 0, 0, b""),
              http2.frame(http2.GOAWAY, 0, 0, b""), http2.frame(0xee, 0xff, 5, os.urandom(100)), os.urandom(300), http2.frame(http2.HEADERS, 4, 2, http2.headers(COUNT))]
    Flood(service, count).send(shapes)


def giant_metadata(_, service, count, token):
    """Blocks of 60,000 bytes: what one connection may send at once, four times what a request may have."""
    # With the headers of CVE-2023-1428.
    filler = [(b"te", b"x"), (b"grpclb_client_stats", b"x"), *((b"x-filler-%d" % i, b"y" * 4000) for i in range(15))]

    def pieces():
        for stream in itertools.count(1, 2):
            block = http2.headers(COUNT, *filler)
            parts = [block[at:at + 16000] for at in range(0, len(block), 16000)]
            yield http2.frame(http2.HEADERS, http2.END_STREAM, stream, parts[0]) + b"".join(
                http2.frame(http2.CONTINUATION, 4 * (part is parts[-1]), stream, part) for part in parts[1:])
    Flood(service, count).send(pieces())


def header_bomb(_, service, count, token):
    """One long field in the table of HPACK, then thousands of references to it, of a byte each."""
    entry = b"\x40" + http2.length(3) + b"x-y" + http2.length(3900) + b"z" * 3900
    bomb = http2.headers(COUNT) + entry + b"\xbe" * 12000
    flood = Flood(service, count)
    flood.greeting += http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, 1, bomb)
    flood.send([b""])


def message(stream, data, length=None, compressed=0):
    return http2.frame(http2.DATA, http2.END_STREAM, stream, struct.pack(">BI", compressed, len(data) if length is None else length) + data)


def message_bomb(_, service, count, token):
    """16 MiB of zeros in 16 KiB, with a token, so that it is unpacked."""
    bomb = gzip.compress(bytes(16 << 20))[:16000]
    flood = Flood(service, count)
    flood.greeting += b"".join(request(stream, (b"grpc-encoding", b"gzip"), (b"authorization", b"Bearer " + token.encode())) +
                               message(stream, bomb, compressed=1) for stream in (1, 3))
    flood.send([b""])


def false_lengths(_, service, count, token):
    """Messages that are longer or shorter than they say, and frames that end in the midst."""
    flood = Flood(service, count)
    flood.greeting += b"".join(request(stream) + message(stream, b"x" * 10, length)
                               for stream, length in zip(range(1, 100, 2), itertools.cycle((0, 9, 11, 1 << 20, 0xffffffff))))
    flood.send([b"\0\x40\0\0\0\0\0\0\xc9" + b"x" * 100, b""])


class Requests(Flood):
    """Whole requests without pause, as many at once as the service's settings allow."""

    def __init__(self, service, count, path, *fields):
        super().__init__(service, count)
        self.greeting += http2.frame(http2.WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30))
        block = http2.headers(path, *fields)
        self.head, self.block = http2.frame(http2.HEADERS, http2.END_HEADERS, 0, block)[:5], block
        self.data = http2.frame(http2.DATA, http2.END_STREAM, 0, bytes(5))
        self.state = [None] * count

    def connect(self, i):
        super().connect(i)
        self.state[i] = {"next": 1, "open": 0, "most": 100, "out": b"", "in": b""}

    def request(self, stream):
        number = struct.pack(">I", stream)
        return self.head + number + self.block + self.data[:5] + number + self.data[9:]

    def take(self, i):
        """Counts the answers that have come."""
        one = self.state[i]
        with contextlib.suppress(BlockingIOError):
            got = self.sockets[i].recv(1 << 18)
            if not got:
                raise ConnectionResetError
            one["in"] += got
        at, data = 0, one["in"]
        while at + 9 <= len(data) and at + 9 + (size := int.from_bytes(data[at:at + 3], "big")) <= len(data):
            kind, flags = data[at + 3], data[at + 4]
            one["open"] -= kind == http2.RST_STREAM or (kind <= http2.HEADERS and flags & http2.END_STREAM)
            if kind == http2.SETTINGS and not flags & http2.ACK:
                found = dict(struct.iter_unpack(">HI", data[at + 9:at + 9 + size]))
                one["most"] = min(found.get(http2.MAX_CONCURRENT_STREAMS, 1000), 1000)
                one["out"] += http2.frame(http2.SETTINGS, http2.ACK, 0)
            elif kind == http2.PING and not flags & http2.ACK:
                one["out"] += http2.frame(http2.PING, http2.ACK, 0, data[at + 9:at + 9 + size])
            at += 9 + size
        one["in"] = data[at:]

    def turn(self, i, piece, read):
        try:
            if self.sockets[i] is None:
                self.connect(i)
            self.take(i)
            one = self.state[i]
            fresh = range(one["next"], one["next"] + 2 * (one["most"] - one["open"]), 2)
            one["out"] += b"".join(map(self.request, fresh))
            one["open"], one["next"] = one["most"], fresh.stop
            with contextlib.suppress(BlockingIOError):
                one["out"] = one["out"][self.sockets[i].send(one["out"]):] if one["out"] else b""
        except OSError:
            if self.sockets[i]:
                self.sockets[i].close()
            self.sockets[i], self.due[i] = None, time.monotonic() + self.again


def invalid_tokens(_, service, count, token):
    Requests(service, count, COUNT, (b"authorization", b"Bearer nobody")).send([b""])


def health_checks(_, service, count, token):
    Requests(service, count, "/grpc.health.v1.Health/Check").send([b""])


BY_HTTP = (slowloris, trickled_bodies, idle_connections, large_heads, smuggling, pipelined_garbage, slow_readers)
BY_GRPC = (rapid_reset, continuation, pings, settings, window_updates, malformed_frames, giant_metadata, header_bomb, message_bomb, false_lengths,
           invalid_tokens, health_checks)
BY_REQUESTS = ("invalid_tokens", "health_checks")
KINDS = {kind.__name__: kind for kind in BY_HTTP + BY_GRPC}


def main():
    kind, gateway, service, count, token = sys.argv[1:]
    os.nice(19)
    threading.Thread(target=KINDS[kind], args=(int(gateway), int(service), max(1, int(count) // EFFORT), token), daemon=True).start()
    sys.stdin.read()
    ended.set()


if __name__ == "__main__":
    main()
