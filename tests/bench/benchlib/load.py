"""Load on one stack for some seconds, and what it cost: rate, latencies, CPU per request of every process."""

import json
import os
import resource
import time

from . import processes

SETTLE_SECONDS, SETTLE_STEP = 20, 0.1

HERE = os.path.dirname(os.path.abspath(__file__))


class Tools:
    """Where the load programs are, and which account they ask for."""

    def __init__(self, folder, bin_folder, wrk="wrk"):
        self.folder, self.bin, self.wrk_program = folder, bin_folder, wrk
        self._files = 0

    def lines_file(self, lines):
        """A private file of lines."""
        self._files += 1
        path = os.path.join(self.folder, f"lines-{self._files}")
        with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            out.writelines(line + "\n" for line in lines)
        return path

    @staticmethod
    def _settle(stack_processes):
        """Waits until the stack has done what the last line left over, such as answers to clients that have gone."""
        for _ in range(int(SETTLE_SECONDS / SETTLE_STEP)):
            before = sum(p.cpu_seconds() for p in stack_processes)
            time.sleep(SETTLE_STEP)
            if sum(p.cpu_seconds() for p in stack_processes) - before <= 0.02:
                return

    def _run(self, arguments, seconds, stack_processes):
        """Runs a load program that prints one JSON object last; adds the CPU of all that took part."""
        self._settle(stack_processes)
        before = {p.name: p.cpu_seconds() for p in stack_processes}
        own = resource.getrusage(resource.RUSAGE_CHILDREN)
        text = processes.run_program(arguments, seconds=seconds + 60)
        own_after = resource.getrusage(resource.RUSAGE_CHILDREN)
        outcome = json.loads(text.strip().splitlines()[-1])
        requests = max(outcome["requests"], 1)
        outcome["cpu_us"] = {p.name: (p.cpu_seconds() - before[p.name]) * 1e6 / requests for p in stack_processes}
        spent = own_after.ru_utime + own_after.ru_stime - own.ru_utime - own.ru_stime
        outcome["cpu_us"]["generator"] = spent * 1e6 / requests
        return outcome

    def http(self, stack, requests_file, connections, seconds, pause_ms=None):
        """wrk on one thread."""
        arguments = [self.wrk_program, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s",
                     "-s", os.path.join(HERE, "wrk.lua"), f"http://{stack.http}", "--", requests_file]
        if pause_ms is not None:
            arguments.append(str(pause_ms))
        return self._run(arguments, seconds, stack.processes)

    def grpc(self, stack, token_file, numbers_file, account, seconds, *more):
        """bench_service on the stack's service."""
        arguments = [os.path.join(self.bin, "bench_service"), "--service", stack.service_address, "--token-file",
                     token_file, "--numbers", numbers_file, "--project-code", account[0], "--vbot-id", account[1],
                     "--seconds", str(seconds), *more]
        return self._run(arguments, seconds, [p for p in stack.processes if "gateway" not in p.name])

    def redis(self, stack, keys_file, seconds, *more):
        """bench_redis_raw on the stack's Redis."""
        arguments = [os.path.join(self.bin, "bench_redis_raw"), "--socket", stack.redis.socket, "--keys", keys_file,
                     "--seconds", str(seconds), *more]
        return self._run(arguments, seconds, [stack.redis.process])
