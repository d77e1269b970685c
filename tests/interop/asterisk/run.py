#!/usr/bin/env python3
"""A real Asterisk, whose call detail records are followed while it writes them.

    tests/interop/asterisk/run.py [--calls N] [--keep DIRECTORY]

Debian has Asterisk in sid only, so it runs in a root of that (debootstrap; needs root; kept in build/interop), without any network:
calls are made between Local channels. Its Master.csv of cdr_csv is followed across a rotation, that of cdr_custom and its JSON are
imported. Each must give each row once, as Python's reader of CSV understands it. --keep copies the files. Prints what was done; exit status 1 otherwise.
"""

import argparse
import csv
import glob
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "integration"))
sys.dont_write_bytecode = True
import harness  # noqa: E402
import stubs  # noqa: E402

MIRROR = os.environ.get("CALLHISTORY_MIRROR", "http://deb.debian.org/debian")
ROOT = os.path.join(os.path.abspath(harness.SOURCE), "build", "interop", "asterisk-root")
SPOOL, LOGS = os.path.join(ROOT, "var/spool/asterisk"), os.path.join(ROOT, "var/log/asterisk")
CONFIGURATION = "/callhistory/asterisk.conf"
# Who calls, what is dialled, and from where: `impatient` hangs up first.
CALLS = [('"Ann" <0912345678>', "101", "s"), ('"Lê, Văn" <+84912000001>', "102", "s"), ('"No" <0912000002>', "103", "s"),
         ("<0912000003>", "104", "s"), ('"A \\"B\\" C" <0912000004>', "texts", "s"), ('"Ring" <0912000005>', "ring", "s"),
         ('"M" <0912000006>', "machine", "s"), ('"Q" <0912000007>', "queue", "s"), ('"Two" <0912000008>', "two", "s"),
         ('"Imp" <0912000009>', "103", "impatient")]
SECONDS = 120


def make_root():
    if os.path.exists(os.path.join(ROOT, "usr/sbin/asterisk")):
        return
    shutil.rmtree(ROOT, ignore_errors=True)
    install = ("printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d && "
               "DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends asterisk && apt-get clean")
    for command in (["debootstrap", "--variant=minbase", "sid", ROOT, MIRROR], ["chroot", ROOT, "sh", "-c", install]):
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
        if done.returncode:
            raise AssertionError(f"{command[0]}: {(done.stdout + done.stderr)[-2000:]}")


class Asterisk:
    def start(self):
        for name in ("cdr-csv", "cdr-custom"):
            for path in glob.glob(os.path.join(LOGS, name, "*")):
                os.unlink(path)
        target = os.path.join(ROOT, "callhistory")
        shutil.rmtree(target, ignore_errors=True)
        os.mkdir(target)
        for path in glob.glob(os.path.join(HERE, "*.conf")):
            shutil.copy(path, target)
        for name in ("indications", "features", "ccss", "stasis", "udptl", "codecs", "acl"):
            shutil.copy(os.path.join(ROOT, "etc/asterisk", name + ".conf"), target)
        inside = f"ip link set lo up; mount -t proc proc {ROOT}/proc; exec chroot {ROOT} asterisk -f -C {CONFIGURATION}"
        self.log = open(os.path.join(ROOT, "callhistory.log"), "wb")
        self.process = subprocess.Popen(["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", inside],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        harness.wait_until(lambda: "fully booted" in self.ask("core waitfullybooted"), "Asterisk", SECONDS)

    def ask(self, command):
        done = subprocess.run(["chroot", ROOT, "asterisk", "-C", CONFIGURATION, "-rx", command], capture_output=True, text=True,
                              timeout=SECONDS, check=False)
        return done.stdout

    def call(self, number):
        """Puts a file into the spool, by a rename, as Asterisk's manual says."""
        caller, dialled, leg = CALLS[number % len(CALLS)]
        path = os.path.join(SPOOL, "tmp", f"{number}.call")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"Channel: Local/{leg}@outside\nCallerID: {caller}\nContext: from-trunk\nExtension: {dialled}\nPriority: 1\n")
        os.rename(path, os.path.join(SPOOL, "outgoing", f"{number}.call"))

    def wait_idle(self):
        harness.wait_until(lambda: not os.listdir(os.path.join(SPOOL, "outgoing")) and
                           re.search(r"(?m)^0 active channels", self.ask("core show channels count")), "the end of all calls", SECONDS)

    def stop(self):
        self.ask("core stop now")
        self.process.wait(SECONDS)
        self.log.close()


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def calls_of(stack):
    found, token = {}, ""
    with stubs.channel(stack.service_address) as channel:
        stub = stubs.history_grpc.CallHistoryServiceStub(channel)
        while True:
            page = stub.ListCalls(stubs.history.ListCallsRequest(page_size=1000, page_token=token),
                                  metadata=[("authorization", "Bearer " + stack.token())], timeout=SECONDS)
            found.update((call.id, call) for call in page.calls)
            token = page.next_page_token
            if not token:
                return found


def name_of(clid):
    """The name in a caller id as Asterisk writes it: quoted, with \\ before quotes and itself."""
    return re.sub(r"\\(.)", r"\1", clid.rpartition(" <")[0].removeprefix('"').removesuffix('"'))


DISPOSITIONS = {"ANSWERED": 1, "NO ANSWER": 2, "BUSY": 3, "CONGESTION": 10, "FAILED": 0}


def compare(row, call):
    """A row of cdr_csv with its call."""
    start = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(call.start_time.seconds))
    expected = (row[1], row[2], name_of(row[4]), row[5], row[6], row[9], int(row[12]), DISPOSITIONS[row[14]], row[17], row[19])
    found = (call.callers[0].phone, call.callees[0].phone, call.callers[0].name, call.callers[0].channel, call.callees[0].channel,
             start, call.duration_seconds, call.disposition, call.external_call_id, call.group_id)
    assert expected == found, (expected, found)


def check(asterisk, stack, calls, keep):
    master, custom = os.path.join(LOGS, "cdr-csv/Master.csv"), os.path.join(LOGS, "cdr-custom/Master.csv")
    objects = os.path.join(LOGS, "cdr-custom/Calls.json")
    options = ["--service", stack.service_address, "--token", stack.token("writer"), "import", "--format", "asterisk", "--time-zone", "UTC",
               "--inbound-context", "from-trunk", "--external-id-column", "userfield"]
    follower = harness.Process("follow", stack.folder, [os.path.join(harness.BIN, "callhistoryctl"), *options, "--follow", "--state",
                                                        os.path.join(stack.folder, "state"), master])
    follower.start()
    for number in range(calls):
        asterisk.call(number)
        if number == calls // 2:
            harness.wait_until(lambda: calls_of(stack), "the first rows", SECONDS)
            os.rename(master, master + ".1")
        time.sleep(0.02)
    asterisk.wait_idle()
    rows = rows_of(master + ".1") + rows_of(master)
    ids = [f"{row[16]}-{row[20]}" for row in rows]
    assert len(set(ids)) == len(ids) >= 2 * calls, (len(ids), calls)
    try:
        harness.wait_until(lambda: len(calls_of(stack)) >= len(ids), "all rows", SECONDS // 4)
    except AssertionError as why:
        raise AssertionError(f"{why}: {len(calls_of(stack))} of {len(ids)}\n{follower.log_text()[-2000:]}") from None
    found = calls_of(stack)
    assert set(found) == set(ids), set(found) ^ set(ids)
    for row, each in zip(rows, ids):
        compare(row, found[each])
    assert follower.stop() == 0 and "refused 0," in follower.log_text(), follower.log_text()[-2000:]
    _, out, _ = stack.ctl(*options, master + ".1", master)
    assert f"unchanged {len(ids)}, refused 0," in out, out
    _, out, _ = stack.ctl(*options, custom)
    assert f"lines {len(ids)}, recorded 0," in out and "refused 0," in out, out
    _, out, _ = stack.ctl(*options, objects)
    assert f"lines {len(ids)}, recorded 0," in out and "refused 0," in out, out
    found = calls_of(stack)
    assert set(found) == set(ids)
    for row, each in zip(rows, ids):
        compare(row, found[each])
    if keep:
        shutil.copy(custom, os.path.join(keep, "cdr-custom.csv"))
        shutil.copy(objects, os.path.join(keep, "cdr-custom.json"))
        with open(os.path.join(keep, "cdr-csv.csv"), "wb") as file:
            for path in (master + ".1", master):
                with open(path, "rb") as part:
                    file.write(part.read())
    return len(ids)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100, help="calls (100)")
    parser.add_argument("--keep", metavar="DIRECTORY", help="copy both files there")
    options = parser.parse_args()
    make_root()
    asterisk, stack = Asterisk(), harness.Stack()
    stack.start()
    try:
        asterisk.start()
        try:
            rows = check(asterisk, stack, options.calls, options.keep)
            print(f"{asterisk.ask('core show version').split(' built')[0]}: {options.calls} calls, {rows} rows, each recorded once")
        finally:
            asterisk.stop()
    finally:
        stack.stop()


if __name__ == "__main__":
    main()
