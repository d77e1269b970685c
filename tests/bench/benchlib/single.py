"""Lines that are no load on a running stack: import beside readers, start, memory at rest and under idle connections."""

import http.client
import os
import resource
import shutil
import socket
import subprocess
import time

from .processes import clean_environment, wait_until
from .stacks import Product, Redis, ask, calls_body

READERS, READER_PAUSE_MS = 16, 10
IDLE_CONNECTIONS, IDLE_PER_SOURCE = 10000, 5000
IDLE_SECONDS = 5  # after the last answer
LARGE_HEAD, LARGE_LINES = 8192, 40


class Import:
    """callhistoryctl import into an empty Redis with its log on: alone, and beside readers of calls that were there."""

    def __init__(self, tools, data, folder, bin_folder, calls, seconds):
        self.tools, self.folder, self.bin, self.seconds = tools, folder, bin_folder, seconds
        self.calls = min(calls, data.lines)
        self.file = data.head(folder, self.calls)
        self.there = data.head(folder, min(20000, data.lines))
        self.numbers = list(data.customers)[:2000]
        self._runs = 0

    def _stack(self, appendfsync):
        self._runs += 1
        folder = os.path.join(self.folder, f"import-{self._runs}")
        os.makedirs(folder)
        product = Product(folder, self.bin, "import", redis=Redis("import-redis", folder, appendfsync))
        product.redis.start()
        product.prepare()
        product.start_programs()
        return product

    def _end(self, product):
        product.stop()
        shutil.rmtree(product.folder, ignore_errors=True)

    def alone(self, appendfsync):
        product = self._stack(appendfsync)
        try:
            before = {p.name: p.cpu_seconds() for p in (product.service, product.redis.process)}
            own = resource.getrusage(resource.RUSAGE_CHILDREN)
            begin = time.monotonic()
            product.import_file(self.file)
            elapsed = time.monotonic() - begin
            cpu = {p.name: (p.cpu_seconds() - before[p.name]) * 1e6 / self.calls
                   for p in (product.service, product.redis.process)}
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu["generator"] = (after.ru_utime + after.ru_stime - own.ru_utime - own.ru_stime) * 1e6 / self.calls
            return {"rate": self.calls / elapsed, "seconds": elapsed, "requests": self.calls, "errors": 0, "cpu_us": cpu}
        finally:
            self._end(product)

    def beside_readers(self, appendfsync):
        """Readers ask at a steady pace, first alone and then during the import."""
        product = self._stack(appendfsync)
        try:
            product.import_file(self.there)
            file = self.tools.lines_file([product.token] + [calls_body(n, 1, 10) for n in self.numbers])
            quiet = self.tools.http(product, file, READERS, self.seconds, READER_PAUSE_MS)
            begin = time.monotonic()
            importing = subprocess.Popen(product.import_arguments(self.file), stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment())
            try:
                busy = self.tools.http(product, file, READERS, self.seconds, READER_PAUSE_MS)
                during = importing.poll() is None
                status = importing.wait(600)
            finally:
                if importing.poll() is None:
                    importing.kill()
                    importing.wait()
            elapsed = time.monotonic() - begin
            if status != 0:
                raise RuntimeError(f"import ended with {status}")
            return {"rate": self.calls / elapsed, "seconds": elapsed, "requests": self.calls, "errors": busy["errors"],
                    "readers_rate": busy["rate"], "p99_us": busy["p99_us"], "quiet_p99_us": quiet["p99_us"],
                    "whole_time": during}
        finally:
            self._end(product)


def start_to_first_answer(main, folder, bin_folder, run):
    """Starts service and gateway anew on the data that is there; milliseconds until a page has been answered."""
    folder = os.path.join(folder, f"start-{run}")
    os.makedirs(folder)
    product = Product(folder, bin_folder, "start", redis=main.redis)
    body = calls_body("0900000000", 1, 10)

    def answered():
        try:
            return ask(product.http, main.token, body)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    try:
        begin = time.monotonic()
        product.service.start()
        product.gateway.start()
        wait_until(answered, "start", pause=0.001)
        return {"milliseconds": (time.monotonic() - begin) * 1e3}
    finally:
        product.gateway.stop()
        product.service.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _idle_connection(address, index, request):
    host, port = address.split(":")
    source = (f"127.0.0.{2 + index // IDLE_PER_SOURCE}", 0)
    connection = socket.create_connection((host, int(port)), timeout=30, source_address=source)
    connection.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = connection.recv(65536)
        if not part:
            raise RuntimeError("the gateway closed a connection")
        answer += part
    return connection


def idle_connections(stack, number):
    """RSS with 10,000 connections that have asked once and then stay; gives bytes by process."""
    body = calls_body(number, 1, 10)
    request = (f"GET /api/crm/historycall/getAll HTTP/1.1\r\nHost: {stack.http}\r\nAuthorization: Bearer {stack.token}\r\n"
               f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()
    connections = []
    try:
        for index in range(IDLE_CONNECTIONS):
            connections.append(_idle_connection(stack.http, index, request))
        time.sleep(IDLE_SECONDS)
        sizes = {"connections": len(connections), "gateway": stack.gateway.rss_bytes(), "service": stack.service.rss_bytes()}
        head = request.partition(b"\r\n\r\n")[0]
        count = LARGE_LINES - head.count(b"\r\n")
        each, rest = divmod(LARGE_HEAD - len(head) - 4, count)
        fill = "".join(f"\r\nX-Fill-{i:02}: {'x' * (each - 13 + (rest if i == 0 else 0))}" for i in range(count)).encode()
        host, port = stack.http.split(":")
        connections.append(socket.create_connection((host, int(port)), timeout=30))
        connections[-1].sendall(request.replace(head, head + fill, 1))
        return {**sizes, "large_heads": connections[-1].recv(65536).startswith(b"HTTP/1.1 200")}
    finally:
        for connection in connections:
            connection.close()


def rest(stack):
    """RSS at rest, after the first answers."""
    return {"gateway": stack.gateway.rss_bytes(), "service": stack.service.rss_bytes()}


def size_of(path):
    """Bytes of a file or of all files below a folder."""
    if os.path.isfile(path):
        return os.path.getsize(os.path.realpath(path))
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names
               if not os.path.islink(os.path.join(folder, name)))


def shared_libraries(program):
    """Bytes of the shared libraries that a program loads."""
    text = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    paths = {line.split("=>")[1].split()[0] for line in text.splitlines() if "=> /" in line}
    return sum(os.path.getsize(os.path.realpath(path)) for path in paths)
