"""Clients of the webhooks that behave as the real ones do: VBot's console, which repeats an event until it is accepted, and
FreeSWITCH's mod_json_cdr, which opens a connection for each leg, repeats a few times and then keeps the leg in a file."""

import base64
import json
import os
import random
import socket
import threading
import time
import urllib.parse

FIRST_MS = 1795140907000
NUMBERS = 40  # that the calls are spread over
CONTINUE_ABOVE = 1024  # libcurl waits for "100 Continue" before a larger body


def number_of(number):
    """The number outside of a call."""
    return f"0988{number % NUMBERS:06}"


# -- VBot ------------------------------------------------------------------------------------------------------------------------


def vbot_log(number, project):
    return json.dumps({"event_data": "MANUAL_CALL_LOG", "transId": f"vbot-{number}", "projectCode": project,
                       "createAt": FIRST_MS + number * 1000, "timeCall": 3, "durationCall": 10, "typeCall": 2, "caller": "101",
                       "callee": number_of(number), "disposition": "ANSWER"})


def vbot_recording(number):
    return json.dumps({"eventData": "MANUAL_CALL_RECORDING", "transId": f"vbot-{number}", "recordUrl": f"https://r/{number}.mp3"})


def vbot_complete(number, project):
    return json.dumps({"manualCallLog": json.loads(vbot_log(number, project)),
                       "manualCallRecording": json.loads(vbot_recording(number))})


def vbot_events(number, project, chosen):
    """The events of one call: a log and a recording, each twice now and then, or both in one besides."""
    events = [vbot_log(number, project), vbot_recording(number)]
    events += [vbot_complete(number, project)] * (number % 4 == 0) + [chosen.choice(events)] * (number % 3 == 0)
    return events


# -- FreeSWITCH ------------------------------------------------------------------------------------------------------------------


def a_leg(number):
    return {
        "core-uuid": "c", "switchname": "pbx", "channel_data": {"state": "CS_REPORTING", "direction": "inbound"},
        "variables": {"uuid": f"a-{number}", "start_uepoch": str((FIRST_MS + number * 1000) * 1000), "answer_epoch": "1795140910",
                      "billsec": "5", "duration": "9", "call_direction": "inbound", "hangup_cause": "NORMAL_CLEARING",
                      "caller_id": f"%22Ann%22%20%3C{number_of(number)}%3E", "sip_hangup_disposition": "recv_bye"},
        "callflow": [{"profile_index": "1", "caller_profile": {
            "caller_id_number": number_of(number), "destination_number": "19001234", "uuid": f"a-{number}",
            "originatee": {"originatee_caller_profiles": [{"uuid": f"b-{number}", "destination_number": "102"}]}}, "times": {}}]}


def b_leg(number, leg="b", extension="102"):
    return {
        "core-uuid": "c", "switchname": "pbx",
        "variables": {"uuid": f"{leg}-{number}", "start_uepoch": str((FIRST_MS + number * 1000 + 500) * 1000), "answer_epoch": "0",
                      "billsec": "0", "duration": "8", "hangup_cause": "LOSE_RACE" if leg == "c" else "NO_ANSWER",
                      "record_path": "/r", "record_name": f"{leg}-{number}.wav"},
        "callflow": [{"profile_index": "1", "caller_profile": {"destination_number": extension, "uuid": f"{leg}-{number}", "originator": {
            "originator_caller_profiles": [{"uuid": f"a-{number}", "caller_id_number": number_of(number)}]}}, "times": {}}]}


def encoded(leg, way):
    """A leg as mod_json_cdr sends it: plain, percent-encoded or in base64; with its Content-Type."""
    text = json.dumps(leg)
    if way == 0:
        return text, "application/json"
    if way == 1:
        return "cdr=" + urllib.parse.quote(text, safe="/,()'"), "application/x-www-form-urlencoded"
    return "cdr=" + base64.b64encode(text.encode()).decode(), "application/x-www-form-base64-encoded"


def freeswitch_legs(number, chosen):
    """The legs of one call, some with a ring group's second b-leg, some with SDP and headers that make them large."""
    legs = [a_leg(number), b_leg(number)] + [b_leg(number, "c", "103")] * (number % 3 == 0)
    if number % 10 == 0:
        chosen.choice(legs)["variables"]["switch_r_sdp"] = "v%3D0%0D%0Ao%3D-%20" * 200
    return legs


# -- Sending ---------------------------------------------------------------------------------------------------------------------


class Connection:
    """Posts bodies to the gateway; a plain client, since a sender is to cost little beside what is measured."""

    def __init__(self, port):
        self.port, self.socket = port, None

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def post(self, target, headers, body, close=False):
        """One post; gives the status. OSError: there is no answer."""
        body = body.encode()
        waits = close and len(body) > CONTINUE_ABOVE
        head = f"POST {target} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(body)}\r\n{'Expect: 100-continue' if waits else 'A: b'}"
        try:
            if not self.socket:
                self.socket = socket.create_connection(("127.0.0.1", self.port), 30)
            self.socket.sendall(f"{head}\r\n\r\n".encode() + (b"" if waits else body))
            status, rest = self.answer(b"")
            if status == 100:
                self.socket.sendall(body)
                status, rest = self.answer(rest)
        except OSError:
            self.close()
            raise
        if close or rest:
            self.close()
        return status

    def answer(self, data):
        """Reads one answer; gives its status and what follows it."""
        end = -1
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self.more()
        status, length = int(data[9:12]), 0
        for line in data[:end].lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        end += 4
        while len(data) < end + length:
            data += self.more()
        return status, data[end + length:]

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("closed")
        return data


RETRIED = (429, 503, 504)  # it is not known to be recorded


class Senders:
    """Threads that post what `make(number, random)` gives for each number, mixed over some hundred posts."""

    def __init__(self, port, count, make, seed, threads=8, mixed=200):
        self.port, self.make, self.mixed = port, make, mixed
        self.numbers, self.random, self.waiting = iter(range(count)), random.Random(seed), []
        self.lock, self.problems, self.accepted, self.repeated, self.kept = threading.Lock(), [], 0, 0, []
        self.threads = [threading.Thread(target=self.work, args=(seed + n,)) for n in range(threads)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def running(self):
        return any(thread.is_alive() for thread in self.threads)

    def join(self, seconds):
        for thread in self.threads:
            thread.join(seconds)
        if self.running():
            raise AssertionError("senders: they have not ended")
        if self.problems:
            raise AssertionError(self.problems[0])

    def next_post(self):
        with self.lock:
            while len(self.waiting) < self.mixed:
                number = next(self.numbers, None)
                if number is None:
                    break
                self.waiting += self.make(number, self.random)
            if not self.waiting or self.problems:
                return None
            at = self.random.randrange(len(self.waiting))
            self.waiting[at], self.waiting[-1] = self.waiting[-1], self.waiting[at]
            return self.waiting.pop()

    def work(self, seed):
        chosen, connection = random.Random(seed), Connection(self.port)
        try:
            while (post := self.next_post()) is not None:
                self.send(connection, post, chosen)
                with self.lock:
                    self.accepted += 1
        except Exception as error:  # pylint: disable=broad-except
            self.problems.append(repr(error))
        connection.close()

    def attempt(self, connection, *post, **how):
        """Whether a post was accepted."""
        try:
            status = connection.post(*post, **how)
        except (OSError, ValueError):
            status = 503
        if status == 200:
            return True
        with self.lock:
            self.repeated += 1
        assert status in RETRIED, (status, post)
        return False


class VbotSenders(Senders):
    """Each event is repeated until it is accepted."""

    def __init__(self, port, token, project, count, seed, **how):
        super().__init__(port, count, lambda number, chosen: vbot_events(number, project, chosen), seed, **how)
        self.headers = f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"

    def send(self, connection, event, _chosen):
        wait, end = 0.02, time.monotonic() + 120
        while not self.attempt(connection, "/webhooks/vbot", self.headers, event):
            assert time.monotonic() < end, "an event was not accepted within 120 s"
            time.sleep(wait)
            wait = min(2 * wait, 0.3)


class FreeSwitchSenders(Senders):
    """Each leg is tried `retries` times more, then kept in `folder`, as a file to be imported."""

    def __init__(self, port, token, folder, count, seed, retries=2, delay=0.1, **how):
        super().__init__(port, count, freeswitch_legs, seed, **how)
        credentials = base64.b64encode(f"freeswitch:{token}".encode()).decode()
        self.headers = f"Authorization: Basic {credentials}\r\nAccept: */*\r\n"
        self.folder, self.retries, self.delay = folder, retries, delay

    def send(self, connection, leg, chosen):
        uuid, (body, kind) = leg["variables"]["uuid"], encoded(leg, chosen.randrange(3))
        for attempt in range(self.retries + 1):
            if attempt:
                time.sleep(self.delay)
            if self.attempt(connection, f"/webhooks/freeswitch?uuid={uuid}", f"{self.headers}Content-Type: {kind}\r\n", body, close=True):
                return
        path = os.path.join(self.folder, uuid + ".cdr.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write(body.removeprefix("cdr=") + "\n")
        with self.lock:
            self.kept.append(path)
