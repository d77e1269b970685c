"""What is measured: the product and its peers, each on a Redis of its own, all on private sockets and free loopback ports."""

import http.client
import os
import secrets
import shutil
import socket
import subprocess
import time

from . import data as calls_data
from .processes import Process, clean_environment, free_port, run_program, wait_until

PATH = "/api/crm/historycall/getAll"
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PEERS = os.path.join(SOURCE, "tests", "bench", "peers")


def write_private(path, text):
    with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
    return path


def ask(address, token, body, timeout=30):
    """One request of the contract, a GET with a body; gives (status, answer's bytes)."""
    host, port = address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
    try:
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = "Bearer " + token
        connection.request("GET", PATH, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Redis:
    """A redis-server with the project's configuration; without its log unless told, since pages don't read it."""

    def __init__(self, name, folder, appendfsync=None):
        self.socket = os.path.join(folder, name + ".sock")
        self.folder = os.path.join(folder, name)
        os.makedirs(self.folder)
        durable = ["--appendonly", "yes", "--appendfsync", appendfsync] if appendfsync else ["--appendonly", "no"]
        self.process = Process(name, folder, [
            "redis-server", os.path.join(SOURCE, "deploy", "redis.conf"), "--port", "0", "--unixsocket", self.socket,
            "--dir", self.folder, "--daemonize", "no", *durable])

    def start(self):
        self.process.start()
        wait_until(lambda: os.path.exists(self.socket), self.process.name)

    def stop(self):
        self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, *arguments):
        return run_program(["redis-cli", "-s", self.socket, *arguments])

    def used_memory(self):
        """Bytes that the data takes, once Redis has no more to tidy up."""
        time.sleep(0.5)
        for line in self.command("INFO", "memory").splitlines():
            if line.startswith("used_memory:"):
                return int(line.split(":")[1])
        raise RuntimeError("INFO memory has no used_memory")


class View:
    """One way into a stack: an HTTP address and the processes behind it."""

    def __init__(self, stack, name, address, processes):
        self.name, self.http, self.processes, self.redis = name, address, processes, stack.redis
        self.service_address = stack.service_address
        self.stack = stack


class Stack:
    """Redis, service and gateway; subclasses say which."""

    def __init__(self, name, folder, redis=None):
        self.name, self.folder = name, folder
        self.redis = redis or Redis(name + "-redis", folder)
        self.service = self.gateway = None
        self.service_address = "unix:" + os.path.join(folder, name + ".service")
        self.http = f"127.0.0.1:{free_port()}"
        self.token_file = os.path.join(folder, name + ".token")
        self.empty_memory = self.memory = 0
        self.load_seconds = 0.0

    @property
    def token(self):
        with open(self.token_file, encoding="utf-8") as file:
            return file.read().strip()

    @property
    def processes(self):
        return [self.gateway, self.service, self.redis.process]

    @property
    def service_socket(self):
        return self.service_address.partition(":")[2]

    def start(self, data):
        """Starts all of it and loads the calls."""
        self.redis.start()
        self.empty_memory = self.redis.used_memory()
        self.prepare()
        begin = time.monotonic()
        self.load(data.path)
        self.load_seconds = time.monotonic() - begin
        self.memory = self.redis.used_memory()
        self.start_programs()

    def start_programs(self):
        if os.path.exists(self.service_socket):
            os.unlink(self.service_socket)
        self.service.start()
        wait_until(lambda: self.service.must_run() or os.path.exists(self.service_socket), self.service.name)
        self.gateway.start()
        wait_until(self.answers, f"{self.name}: first answer")

    def restart(self):
        """Service and gateway anew, as they are before any load."""
        self.gateway.stop()
        self.service.stop()
        Stack.start_programs(self)

    def prepare(self):
        """What must be there before the calls are loaded."""

    def answers(self):
        for process in self.processes:
            process.must_run()
        try:
            return ask(self.http, self.token, calls_body("0900000000"))[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def stop(self):
        for process in (self.gateway, self.service):
            process.stop()
        self.redis.stop()


def calls_body(phone, page=None, size=None):
    """A request's body; a count without page and size."""
    paging = f',"page":{page},"size":{size}' if size else ""
    project, vbot = calls_data.ACCOUNT
    return f'{{"vbot_id":"{vbot}","project_code":"{project}","phone":"{phone}"{paging}}}'


class Product(Stack):
    """callhistory-gateway, callhistoryd and Redis; a second gateway reaches the same service over TCP.

    A unix socket belongs to one worker of callhistoryd, so there is one for each core.
    """

    def __init__(self, folder, bin_folder, name="product", gateway_options=(), service_options=(), redis=None):
        super().__init__(name, folder, redis)
        self.bin = bin_folder
        self.writer_file = os.path.join(folder, name + ".writer")
        # The one that is waited for at the start comes last.
        sockets = [f"{self.service_address}-{i}" for i in range(1, os.cpu_count())] + [self.service_address]
        self.service_list = ",".join(sockets)
        self.service_tcp = f"127.0.0.1:{free_port()}"
        self.http_tcp = f"127.0.0.1:{free_port()}"
        self.service = Process(name + "-service", folder, [
            os.path.join(bin_folder, "callhistoryd"), *(word for each in sockets for word in ("--listen", each)), "--listen",
            self.service_tcp, "--redis", "unix://" + self.redis.socket, "--metrics", f"127.0.0.1:{free_port()}", *service_options])
        self.gateway = self._gateway(name + "-gateway", self.http, self.service_list, gateway_options)
        self.gateway_tcp = self._gateway(name + "-gateway-tcp", self.http_tcp, self.service_tcp, gateway_options)

    def _gateway(self, name, listen, service, options):
        return Process(name, self.folder, [os.path.join(self.bin, "callhistory-gateway"), "--listen", listen, "--service",
                                           service, "--idle-timeout", "3600", "--max-connections-per-address", "1000000", *options])

    def _ctl(self, *arguments):
        return run_program([os.path.join(self.bin, "callhistoryctl"), *arguments])

    def prepare(self):
        project, vbot = calls_data.ACCOUNT
        for role, path in (("reader", self.token_file), ("writer", self.writer_file)):
            write_private(path, self._ctl("--redis", "unix://" + self.redis.socket, "token", "issue", "--project-code",
                                          project, "--vbot-id", vbot, "--role", role))

    def load(self, path):
        self.service.start()
        wait_until(lambda: self.service.must_run() or os.path.exists(self.service_socket), self.service.name)
        self.import_file(path)
        self.service.stop()

    def import_arguments(self, path):
        return [os.path.join(self.bin, "callhistoryctl"), "--service", self.service_address, "--token-file",
                self.writer_file, "import", path]

    def import_file(self, path):
        run_program(self.import_arguments(path))

    def start_programs(self):
        super().start_programs()
        self.gateway_tcp.start()
        self.redis.command("CONFIG", "RESETSTAT")

    def over_tcp(self):
        return View(self, self.name + "-tcp", self.http_tcp, [self.gateway_tcp, self.service, self.redis.process])

    def home_key(self, number):
        """The sorted set that a customer's calls are in (services/store/layout.md)."""
        if not hasattr(self, "_tag"):
            keys = self.redis.command("SCAN", "0", "MATCH", "{*}0*", "COUNT", "10000000").split("\n")
            self._tag = keys[1].partition("}")[0] + "}"
            if self.redis.command("TYPE", self._tag + number).strip() != "zset":
                raise RuntimeError(f"{self._tag}{number} is no sorted set: what do raw/* lines read?")
        return self._tag + number

    def stop(self):
        self.gateway_tcp.stop()
        super().stop()


class Floors:
    """What a page costs in the libraries alone: libmicrohttpd, and gRPC with the product's rpc module, with the product's bytes."""

    def __init__(self, product, number):
        folder, program = product.folder, lambda name: os.path.join(product.bin, name)
        page = os.path.join(folder, "floor-page")
        status, body = ask(product.http, product.token, calls_body(number, 1, 10))
        if status != 200:
            raise RuntimeError(f"the page for the floor lines: {status}")
        with open(page, "wb") as out:
            out.write(body)
        self.redis, self.token, self.token_file = product.redis, product.token, product.token_file
        self.http = f"127.0.0.1:{free_port()}"
        sockets = [os.path.join(folder, f"floor-{i}.service") for i in range(os.cpu_count())]
        self.service_address = "unix:" + sockets[0]
        project, vbot = calls_data.ACCOUNT
        self.http_process = Process("floor-gateway", folder, [
            program("bench_http_floor"), "--port", self.http.split(":")[1], "--body", page, "--workers", str(os.cpu_count())])
        self.rpc_process = Process("floor-service", folder, [
            program("bench_rpc_floor"), "--service", product.service_address, "--token-file", product.token_file,
            "--project-code", project, "--vbot-id", vbot, "--number", number,
            *(word for each in sockets for word in ("--listen", "unix:" + each))])
        self.name, self.processes = "floor", [self.http_process, self.rpc_process]
        for process in self.processes:
            process.start()
        wait_until(lambda: self.rpc_process.must_run() or all(map(os.path.exists, sockets)), "floor-service")
        wait_until(lambda: self.http_process.must_run() or port_answers(self.http), "floor-gateway")
        if ask(self.http, self.token, calls_body(number, 1, 10)) != (200, body):
            raise RuntimeError("the floor's answer is another one than the product's")


class Peer(Stack):
    """A peer: its loader, its service and its gateway, from the folder they were built in."""

    def __init__(self, name, folder, load, service, gateway, redis=None):
        super().__init__(name, folder, redis)
        self._load = load
        listen = self.service_listen()
        self.service = Process(name + "-service", folder, [*service, "--listen", listen, "--redis", self.redis.socket])
        self.gateway = Process(name + "-gateway", folder, [*gateway, "--listen", self.http, "--service",
                                                           self.service_address])

    def service_listen(self):
        return self.service_socket

    def prepare(self):
        write_private(self.token_file, secrets.token_urlsafe(32) + "\n")

    def load(self, path):
        with open(path, "rb") as lines:
            run_program([*self._load, "--redis", self.redis.socket, "--token-file", self.token_file], stdin=lines)


class NodePeer(Peer):
    """grpc-js wants the address with its scheme."""

    def service_listen(self):
        return self.service_address


class SecondGateway:
    """Another gateway on a peer's service and data."""

    def __init__(self, peer, name, gateway):
        self.name, self.redis, self.stack = name, peer.redis, peer
        self.http = f"127.0.0.1:{free_port()}"
        self.service, self.service_address = peer.service, peer.service_address
        self.gateway = Process(name + "-gateway", peer.folder, [*gateway, "--listen", self.http, "--service",
                                                                peer.service_address])

    @property
    def processes(self):
        return [self.gateway, self.service, self.redis.process]

    @property
    def token(self):
        return self.stack.token

    def start(self):
        self.gateway.start()
        wait_until(lambda: Stack.answers(self), self.name)

    def restart(self):
        self.gateway.stop()
        self.start()

    def stop(self):
        self.gateway.stop()


# ---- Building --------------------------------------------------------------------------------------------------------


def build_product(build_folder):
    """Configures and builds the product and the bench programs, optimized; gives the folder of the programs."""
    run_program(["cmake", "-S", SOURCE, "-B", build_folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
                 "-DCALLHISTORY_BENCH=ON"])
    run_program(["cmake", "--build", build_folder, "--target", "callhistoryd", "callhistory-gateway", "callhistoryctl",
                 "bench_service", "bench_redis_raw", "bench_http_floor", "bench_rpc_floor"])
    return os.path.join(build_folder, "bin")


def build_go(build_folder):
    """Generates and builds the Go peers outside the source tree; gives the folder of the programs."""
    module, programs = os.path.join(build_folder, "go"), os.path.join(build_folder, "go-bin")
    shutil.copytree(os.path.join(PEERS, "go"), module, dirs_exist_ok=True)
    os.makedirs(programs, exist_ok=True)
    environment = {**clean_environment(), "GOFLAGS": "-mod=readonly -buildvcs=false"}
    subprocess.run(["go", "build", "-o", programs + "/", "tool"], cwd=module, env=environment, check=True)
    names = "module=callhistory.example/peers"
    subprocess.run(
        ["protoc", "-I", PEERS, "peer.proto", "--go_out=.", "--go_opt=" + names, "--go-grpc_out=.", "--go-grpc_opt=" + names,
         "--grpc-gateway_out=.", f"--grpc-gateway_opt={names},grpc_api_configuration=gateway/http.yaml"],
        cwd=module, env={**environment, "PATH": programs + os.pathsep + environment["PATH"]}, check=True)
    subprocess.run(["go", "build", "-o", programs + "/", "./..."], cwd=module, env=environment, check=True)
    return programs


def build_node(build_folder):
    """Installs the Node peer's packages outside the source tree; gives its folder."""
    folder = os.path.join(build_folder, "node")
    shutil.copytree(os.path.join(PEERS, "node"), folder, dirs_exist_ok=True)
    shutil.copy(os.path.join(PEERS, "peer.proto"), build_folder)
    if not os.path.exists(os.path.join(folder, "node_modules", ".package-lock.json")):
        subprocess.run(["npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=folder,
                       env=clean_environment(), check=True)
    return folder


def build_rust(build_folder):
    """Builds the Rust peer outside the source tree; gives the folder of the programs."""
    target = os.path.join(build_folder, "rust")
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", os.path.join(PEERS, "rust", "Cargo.toml"),
                    "--target-dir", target], env=clean_environment(), check=True)
    return os.path.join(target, "release")


def go_peers(folder, programs):
    """Go by generator and Go by hand: one service and one Redis, two gateways."""
    program = lambda name: [os.path.join(programs, name)]
    peer = Peer("go-gateway", folder, program("load"), program("service"), program("gateway"))
    return peer, SecondGateway(peer, "go-direct", program("direct"))


def node_peer(folder, node_folder):
    script = lambda name: ["node", os.path.join(node_folder, name)]
    return NodePeer("node", folder, script("load.js"), script("service.js"), script("gateway.js"))


def rust_peer(folder, programs, go):
    """On the Go peers' data, with a service of its own."""
    program = lambda name: [os.path.join(programs, name)]
    peer = Peer("rust", folder, None, program("service"), program("gateway"), go.redis)
    peer.token_file = go.token_file
    return peer


def port_answers(address):
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
        return True
    except OSError:
        return False
