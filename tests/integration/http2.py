"""HTTP/2 by hand, for what no well-behaved client sends."""

import socket
import struct

import harness

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
ACK, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 1, 3, 4
END_STREAM, END_HEADERS = 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def length(number):
    """The length of a string in a header block (RFC 7541 section 5.1): an integer with a prefix of seven bits."""
    if number < 127:
        return bytes([number])
    encoded, number = b"\x7f", number - 127
    while number >= 128:
        encoded, number = encoded + bytes([number % 128 + 128]), number // 128
    return encoded + bytes([number])


def field(name, value):
    """A header field that goes into no table."""
    return b"\x00" + length(len(name)) + name + length(len(value)) + value


def headers(path, *more):
    """The header block of a gRPC request."""
    fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path.encode()), (b":authority", b"localhost"),
              (b"te", b"trailers"), (b"content-type", b"application/grpc"), *more]
    return b"".join(field(*one) for one in fields)


def connect(port, tls=None):
    """A connection on which requests may be sent; over TLS with a context that offers h2."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=harness.WAIT_SECONDS)
    if tls:
        connection = tls.wrap_socket(connection, server_hostname="127.0.0.1")
    connection.sendall(PREFACE + frame(SETTINGS, 0, 0))
    return connection


def send(connection, data):
    """Sends it all, or as much as the other side takes. Returns False when the connection has been closed."""
    try:
        connection.sendall(data)
        return True
    except OSError:
        return False


def answers(connection, streams):
    """What comes on streams until each has ended, as bytes of its frames: {stream: [(kind, payload) of each]}."""
    file, frames, left = connection.makefile("rb"), {stream: [] for stream in streams}, set(streams)
    while left:
        head = file.read(9)
        if len(head) < 9:
            for stream in left:
                frames[stream].append("closed")
            break
        kind, flags, payload = head[3], head[4], file.read(int.from_bytes(head[:3], "big"))
        stream = int.from_bytes(head[5:], "big")
        if stream in left and kind in (DATA, HEADERS, RST_STREAM):
            frames[stream].append((kind, payload))
            if kind == RST_STREAM or flags & END_STREAM:
                left.remove(stream)
    return frames


def answer(connection, stream):
    """The same of one stream, as a tuple."""
    return tuple(answers(connection, [stream])[stream])


def closed(connection):
    """Reads to the end of the connection; fails where it stays open."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


class Sender:
    """Sends the data of one stream as fast as the other side's windows allow."""

    def __init__(self, connection, stream):
        self.file, self.connection, self.stream = connection.makefile("rb"), connection, stream
        self.windows = {0: 65535, stream: 65535}
        self.initial = 65535

    def _read(self):
        head = self.file.read(9)
        if len(head) < 9:
            return False
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        stream, payload = int.from_bytes(head[5:], "big"), self.file.read(length)
        if kind == WINDOW_UPDATE and stream in self.windows:
            self.windows[stream] += int.from_bytes(payload, "big")
        elif kind == SETTINGS and not flags & ACK:
            for key, value in struct.iter_unpack(">HI", payload):
                if key == INITIAL_WINDOW_SIZE:
                    self.windows[self.stream] += value - self.initial
                    self.initial = value
            self.connection.sendall(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.connection.sendall(frame(PING, ACK, 0, payload))
        return kind != GOAWAY and (kind != RST_STREAM or stream != self.stream)

    def send(self, data):
        """Returns how many bytes were sent before the stream or the connection ended."""
        at = 0
        try:
            while at < len(data):
                part = min(16384, len(data) - at, *self.windows.values())
                if part > 0:
                    self.connection.sendall(frame(DATA, 0, self.stream, data[at:at + part]))
                    at += part
                    for key in self.windows:
                        self.windows[key] -= part
                elif not self._read():
                    break
        except OSError:
            pass
        return at
