#!/usr/bin/env python3
"""Interop: clients in Go, Java, Node and Python, and the tools that gRPC users have, against real servers.

    tests/interop/run.py [NAME...]

NAME: asterisk, buf, go, java, node, python, grpcurl, grpc_health_probe, ghz, manifests, promql, rolling, schemathesis; without one, all.
Needs the programs built (CALLHISTORY_BIN or build/release/bin) and, on the machine, go, java, mvn, node, npm, protoc, python3 with venv,
redis-server; `asterisk` needs root and debootstrap. What else it needs comes from the languages' own registries, in the versions written here; all of it is kept under build/interop.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
sys.dont_write_bytecode = True
import harness  # noqa: E402

SOURCE = os.path.abspath(harness.SOURCE)
BUILD = os.path.join(SOURCE, "build", "interop")
PROTO = os.path.join(SOURCE, "proto")
CLASS_PATH = os.pathsep.join([os.path.join(BUILD, "java", "classes"), os.path.join(BUILD, "java", "lib", "*")])
RELEASED = os.path.join(HERE, "released.json")

GO_TOOLS = {
    "buf": "github.com/bufbuild/buf/cmd/buf@v1.75.0",
    "ghz": "github.com/bojand/ghz/cmd/ghz@v0.93.0",
    "grpc-health-probe": "github.com/grpc-ecosystem/grpc-health-probe@v0.4.63",
    "grpcurl": "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4",
    "protoc-gen-go": "google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12",
    "protoc-gen-go-grpc": "google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2",
}
MANIFEST_CHECKER = "kubernetes-validate==1.37.0"

# What each client prints a line for, in this order.
STEPS = ["record", "count", "offset", "token", "export", "get", "bad-request", "unauthenticated", "permission-denied", "not-found",
         "retry-info", "reflection-list", "reflection-describe", "deadline", "health-check", "health-watch"]
CLIENT_SECONDS = 180
BUILD_SECONDS = 1800


class Failure(Exception):
    pass


def require(good, what):
    if not good:
        raise Failure(what)


def environment(**more):
    """The environment of builds: every cache is ours."""
    cache = os.path.join(BUILD, "cache")
    return {
        **harness.clean_environment(),
        "GOBIN": os.path.join(BUILD, "bin"),
        "GOCACHE": os.path.join(cache, "go-build"),
        "GOMODCACHE": os.path.join(cache, "go-mod"),
        "GOFLAGS": "-modcacherw -buildvcs=false",
        "GOWORK": "off",
        "BUF_CACHE_DIR": os.path.join(cache, "buf"),
        "npm_config_cache": os.path.join(cache, "npm"),
        "npm_config_update_notifier": "false",
        "PIP_CACHE_DIR": os.path.join(cache, "pip"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PATH": os.path.join(BUILD, "bin") + os.pathsep + os.environ["PATH"],
        **more,
    }


def run(*command, folder=None, check=True, stdin=None, seconds=BUILD_SECONDS, **more):
    """Runs a command; gives (exit status, output of both kinds)."""
    if not shutil.which(command[0], path=environment()["PATH"]):
        raise Failure(f"{command[0]} is not on this machine")
    done = subprocess.run(command, cwd=folder, input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds, env=environment(**more))
    if check and done.returncode != 0:
        raise Failure(f"{os.path.basename(command[0])} exited {done.returncode}:\n{done.stdout[-4000:]}")
    return done.returncode, done.stdout


def fresh(stamp, *inputs):
    """Whether what `stamp` stands for was made from inputs as they are; the stamp file holds them."""
    try:
        with open(stamp, encoding="utf-8") as file:
            return file.read() == "\n".join(inputs)
    except FileNotFoundError:
        return False


def note(stamp, *inputs):
    with open(stamp, "w", encoding="utf-8") as file:
        file.write("\n".join(inputs))


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def protos():
    folder = os.path.join(PROTO, "callhistory", "v1")
    return ["callhistory/v1/" + name for name in sorted(os.listdir(folder)) if name.endswith(".proto")]


def go_tool(name):
    stamp = os.path.join(BUILD, "bin", f".{name}")
    if not fresh(stamp, GO_TOOLS[name]):
        run("go", "install", GO_TOOLS[name])
        note(stamp, GO_TOOLS[name])
    return os.path.join(BUILD, "bin", name)


def venv(name, *requirements):
    """A virtual environment with these packages; gives its python."""
    folder = os.path.join(BUILD, name)
    stamp = os.path.join(folder, "made-of")
    if not fresh(stamp, *requirements):
        shutil.rmtree(folder, ignore_errors=True)
        run(sys.executable, "-m", "venv", folder)
        run(os.path.join(folder, "bin", "pip"), "install", "-q", *requirements)
        note(stamp, *requirements)
    return os.path.join(folder, "bin", "python")


def node_folder():
    """The Node client beside its packages."""
    folder = os.path.join(BUILD, "node")
    source = os.path.join(HERE, "node")
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(source):
        shutil.copy(os.path.join(source, name), folder)
    lock, stamp = text_of(os.path.join(source, "package-lock.json")), os.path.join(folder, "made-of")
    if not fresh(stamp, lock):
        run("npm", "ci", "--no-audit", "--no-fund", folder=folder)
        note(stamp, lock)
    return folder


# -- Clients ------------------------------------------------------------------------------------------------------------


def build_go():
    """The command that runs the Go client."""
    for plugin in ("protoc-gen-go", "protoc-gen-go-grpc"):
        go_tool(plugin)
    generated = os.path.join(BUILD, "gen", "go")
    shutil.rmtree(generated, ignore_errors=True)
    os.makedirs(generated)
    note(os.path.join(generated, "go.mod"), "module callhistory.internal/api", "", "go 1.23", "")
    run("protoc", f"-I{PROTO}", f"--go_out={generated}", "--go_opt=module=callhistory.internal/api",
        f"--go-grpc_out={generated}", "--go-grpc_opt=module=callhistory.internal/api", *protos())
    client = os.path.join(BUILD, "bin", "interop-go")
    run("go", "build", "-mod=readonly", "-o", client, ".", folder=os.path.join(HERE, "go"))
    return [client]


def build_java():
    run("mvn", "-B", "-q", "-ntp", f"-Dmaven.repo.local={os.path.join(BUILD, 'cache', 'maven')}",
        f"-Dinterop.build={os.path.join(BUILD, 'java')}", "compile", folder=os.path.join(HERE, "java"))
    return ["java", "-cp", CLASS_PATH, "Client"]


def build_node():
    return ["node", os.path.join(node_folder(), "client.js")]


def build_python():
    requirements = text_of(os.path.join(HERE, "python", "requirements.txt")).split()
    python = venv("python", *requirements)
    generated = os.path.join(BUILD, "gen", "python")
    shutil.rmtree(generated, ignore_errors=True)
    os.makedirs(generated)
    run(python, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"--python_out={generated}", f"--grpc_python_out={generated}", *protos())
    return ["env", f"PYTHONPATH={generated}", python, "-B", os.path.join(HERE, "python", "client.py")]


CLIENTS = {"go": build_go, "java": build_java, "node": build_node, "python": build_python}


class Redis:
    """Does to a stack's Redis what a client asks for."""

    def __init__(self, stack):
        self.stack = stack

    def pause(self):
        self.stack.redis.signal(harness.SIGSTOP)

    def resume(self):
        self.stack.redis.signal(harness.SIGCONT)
        self.stack.wait_ready()

    def stop(self):
        self.stack.redis.kill()
        os.unlink(self.stack.redis_socket)

    def start(self):
        self.stack.redis.start()

    def mend(self):
        """As it was, whatever a client that failed has left."""
        if not self.stack.redis.running():
            if os.path.exists(self.stack.redis_socket):
                os.unlink(self.stack.redis_socket)
            self.stack.redis.process = None
            self.start()
        self.resume()


def run_client(stack, command, number):
    """Runs a client through the scenario; gives the lines that it printed."""
    redis = Redis(stack)
    variables = {
        "CALLHISTORY_SERVICE": stack.service_address,
        "CALLHISTORY_READER": stack.token("reader"),
        "CALLHISTORY_WRITER": stack.token("writer"),
        "CALLHISTORY_LIMITED": stack.issue("reader", ((harness.PROJECT, harness.VBOT),), "--rate", "1"),
        "CALLHISTORY_PROJECT_CODE": harness.PROJECT,
        "CALLHISTORY_VBOT_ID": harness.VBOT,
        "CALLHISTORY_NUMBER": number,
        "CALLHISTORY_PROTO": PROTO,
    }
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1,
                               env=environment(**variables))
    alarm = threading.Timer(CLIENT_SECONDS, process.kill)
    alarm.start()
    lines = []
    try:
        for line in process.stdout:
            if line.startswith("> redis "):
                getattr(redis, line.split()[2])()
                process.stdin.write("done\n")
                process.stdin.flush()
            else:
                lines.append(line.rstrip("\n"))
        status = process.wait(CLIENT_SECONDS)
    except BrokenPipeError:
        status = process.wait(CLIENT_SECONDS)
    finally:
        alarm.cancel()
        process.kill()
        process.wait()
        process.stdin.close()
        redis.mend()
    printed = [line.split(":")[0] for line in lines]
    require(status == 0 and printed == STEPS, f"exit status {status}; it printed\n" + "\n".join(lines[-40:]))
    return lines


# -- Tools --------------------------------------------------------------------------------------------------------------


def bearer(stack):
    return "authorization: Bearer " + stack.token("reader")


def request(number, **more):
    return json.dumps({"project_code": harness.PROJECT, "vbot_id": harness.VBOT, "phone": number, **more})


def check_grpcurl(stack):
    """list, describe and call, with nothing but reflection."""
    tool = go_tool("grpcurl")
    number = "0912000001"
    stack.import_lines([harness.call(number, second) for second in range(3)])

    def grpcurl(*arguments, check=True):
        return run(tool, "-plaintext", "-H", bearer(stack), *arguments, check=check, seconds=60)

    address, history = stack.service_address, "callhistory.v1.CallHistoryService"
    _, names = grpcurl(address, "list")
    for name in (history, "callhistory.v1.CallIngestService", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                 "grpc.reflection.v1alpha.ServerReflection"):
        require(name in names.split(), f"list: {names}")
        _, text = grpcurl(address, "describe", name)
        require("rpc " in text, f"describe {name}: {text}")
    _, text = grpcurl(address, "describe", "callhistory.v1.Call")
    require("start_time" in text, text)
    _, text = grpcurl("-d", request(number, page_size=2), address, history + "/ListCalls")
    answer = json.loads(text)
    require(len(answer["calls"]) == 2 and answer["nextPageToken"], text)
    _, text = grpcurl("-d", '{"service": ""}', address, "grpc.health.v1.Health/Check")
    require("SERVING" in text, text)
    status, text = grpcurl("-d", request(number, page_size=-1), address, history + "/ListCalls", check=False)
    require(status == 64 + 3 and "google.rpc.ErrorInfo" in text and "google.rpc.BadRequest" in text, text)
    require('"reason": "INVALID_FIELD"' in text and '"field": "page_size"' in text and "not recognized" not in text, text)


def check_ghz(stack):
    tool = go_tool("ghz")
    number, calls = "0912000002", 5000
    stack.import_lines([harness.call(number, second) for second in range(20)])
    _, text = run(tool, "--insecure", "--call", "callhistory.v1.CallHistoryService.ListCalls", "-n", str(calls), "-c", "50",
                  "--connections", "4", "-O", "json", "-m", json.dumps(dict([bearer(stack).split(": ", 1)])),
                  "-d", request(number, page_size=10), stack.service_address, seconds=300)
    report = json.loads(text)
    require(report["statusCodeDistribution"] == {"OK": calls}, report["statusCodeDistribution"])


def check_health_probe(stack):
    tool = go_tool("grpc-health-probe")
    for service in ("", "callhistory.v1.CallHistoryService", "callhistory.v1.CallIngestService"):
        _, text = run(tool, f"-addr={stack.service_address}", f"-service={service}", seconds=60)
        require("SERVING" in text, text)
    status, text = run(tool, f"-addr={stack.service_address}", "-service=none", check=False, seconds=60)
    require(status == 3 and "NotFound" in text, text)
    redis = Redis(stack)
    redis.stop()
    try:
        # 4: it answers, and not SERVING.
        harness.wait_until(lambda: run(tool, f"-addr={stack.service_address}", check=False, seconds=60)[0] == 4, "NOT_SERVING")
    finally:
        redis.mend()


# -- Files --------------------------------------------------------------------------------------------------------------


def check_buf():
    """Lint, and nothing broken since the release; and both find what is wrong."""
    tool = go_tool("buf")
    run(tool, "lint", folder=SOURCE)
    run(tool, "breaking", "--against", RELEASED, folder=SOURCE)

    copy = os.path.join(BUILD, "broken")
    for old, new, command, finding in (
        ("// How the call ended.\n", "", ["lint"], "COMMENT_FIELD"),
        ("string hotline = 5", "string hotLine = 5", ["lint"], "FIELD_LOWER_SNAKE_CASE"),
        ("string sip_code = 25", "string sip_code = 99", ["breaking", "--against", RELEASED], "FIELD_NO_DELETE"),
        ("CallDirection direction = 3", "string direction = 3", ["breaking", "--against", RELEASED], "FIELD_SAME_TYPE"),
    ):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(PROTO, os.path.join(copy, "proto"))
        shutil.copy(os.path.join(SOURCE, "buf.yaml"), copy)
        path = os.path.join(copy, "proto", "callhistory", "v1", "call.proto")
        text = text_of(path)
        require(old in text, f"call.proto holds no {old!r}")
        note(path, text.replace(old, new, 1))
        status, output = run(tool, *command, "--error-format", "json", folder=copy, check=False)
        require(status != 0 and finding in output, f"{finding} was not found: {output}")
    shutil.rmtree(copy)


def check_manifests():
    """The rendered manifests against Kubernetes's own schemas."""
    _, rendered = run("kubectl", "kustomize", os.path.join(SOURCE, "deploy", "kubernetes", "base"))
    _, secret = run(os.path.join(SOURCE, "deploy", "kubernetes", "redis-secret"), "print")
    tool = os.path.join(os.path.dirname(venv("manifests", MANIFEST_CHECKER)), "kubernetes-validate")
    path = os.path.join(BUILD, "rendered.yaml")
    note(path, rendered, "---", secret)
    run(tool, "--strict", "--quiet", path)
    note(path, rendered.replace("replicas:", "copies:"))
    status, output = run(tool, "--strict", "--quiet", path, check=False)
    require(status != 0 and "copies" in output, output)
    os.unlink(path)


def check_promql():
    """Every expression of dashboard and alerts is well formed."""
    dashboard = json.loads(text_of(os.path.join(SOURCE, "deploy", "observability", "dashboard.json")))
    rules = text_of(os.path.join(SOURCE, "deploy", "observability", "alerts.yaml"))
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    for first, block in re.findall(r"(?m)^ +expr: (.*)\n((?: {10}.*\n)*)", rules):
        expressions.append(block if first == "|" else first)
    require(len(expressions) > 40, f"only {len(expressions)} expressions")
    expressions = [re.sub(r"\$__rate_interval", "5m", expression) for expression in expressions]

    def bad(given):
        return json.loads(run("node", os.path.join(node_folder(), "promql.js"), stdin=json.dumps(given))[1])

    require(bad(expressions) == [], bad(expressions))
    require(bad(["sum(rate(a[5m])", "sum(rate(a[5m]))"]) == ["sum(rate(a[5m])"], "a missing bracket was not found")


def check_rolling():
    """No call of a default client is lost; it starts services of its own."""
    _, out = run(sys.executable, "-B", os.path.join(HERE, "rolling.py"), "--calls", "20000")
    return out.splitlines()


def check_asterisk():
    """A real Asterisk's call detail records are followed; it starts servers of its own."""
    _, out = run(sys.executable, "-B", os.path.join(HERE, "asterisk", "run.py"))
    return out.splitlines()


def check_schemathesis():
    """The HTTP side by its own document; it starts servers of its own."""
    _, out = run(sys.executable, "-B", os.path.join(HERE, "schemathesis", "run.py"))
    return out.splitlines()


# -- All ----------------------------------------------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=argparse.SUPPRESS)
    names = parser.parse_args().names
    with_stack = {"grpcurl": check_grpcurl, "ghz": check_ghz, "grpc_health_probe": check_health_probe}
    without = {"asterisk": check_asterisk, "buf": check_buf, "manifests": check_manifests, "promql": check_promql, "rolling": check_rolling,
               "schemathesis": check_schemathesis}
    known = [*without, *CLIENTS, *with_stack]
    if set(names) - set(known):
        parser.error("no such check: " + " ".join(sorted(set(names) - set(known))))
    names = [name for name in known if not names or name in names]
    os.makedirs(os.path.join(BUILD, "bin"), exist_ok=True)

    passed, failed = 0, 0

    def attempt(name, check):
        nonlocal passed, failed
        try:
            lines = check()
            passed += 1
            print(f"ok      {name}", flush=True)
            for line in lines or ():
                print(f"        {line}", flush=True)
        except (Failure, AssertionError, subprocess.SubprocessError, OSError) as why:
            failed += 1
            print(f"FAILED  {name}: {why}", flush=True)

    for name in names:
        if name in without:
            attempt(name, without[name])
    stack = None
    try:
        if set(names) - set(without):
            stack = harness.Stack()
            stack.start()
        for place, name in enumerate(names):
            if name in CLIENTS:
                number = f"09130000{place:02}"
                attempt(name, lambda: run_client(stack, CLIENTS[name](), number))
            elif name in with_stack:
                attempt(name, lambda: with_stack[name](stack))
    finally:
        if stack:
            attempt("servers ended cleanly", stack.stop)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
