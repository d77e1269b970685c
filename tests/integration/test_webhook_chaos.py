"""Webhooks while the gateway, the service and Redis are killed: each call is there exactly once, with all that was sent of it.

CALLHISTORY_LONG=1 sends 100,000 calls through each webhook instead of 1,500."""

import unittest

import senders
import test_asterisk
from crashes import LONG, Bag, CrashTest
from harness import PROJECT, WAIT_SECONDS, wait_until

from callhistory.v1 import call_pb2

CALLS, CRASHES, WHOLE_S = (100000, 150, 3600) if LONG else (1500, 8, 240)


class Chaos(CrashTest, test_asterisk.AsteriskTest):
    def kill_all(self):
        for process in (self.stack.gateway, self.stack.service):
            process.kill()
        self.kill_redis()
        self.stack.service.start()
        self.stack.gateway.start()

    def send(self, sent, posts):
        """Lets the senders work while processes are killed, each time when as much more has been accepted."""
        bag = Bag(20261129, [self.kill_gateway, self.kill_service, self.kill_redis, self.kill_all])
        sent.start()
        for crash in range(CRASHES):
            due = posts * (crash + 1) // (CRASHES + 2)
            wait_until(lambda due=due: sent.accepted >= due or not sent.running(), f"{due} posts", WHOLE_S)
            bag.draw()
        sent.join(WHOLE_S)
        self.stack.wait_ready()
        print(f"{sent.accepted} posts, {sent.repeated} repeated, {len(sent.kept)} kept in files, {CRASHES} crashes")

    def numbers(self):
        return [senders.number_of(number) for number in range(senders.NUMBERS)]

    def test_vbot(self):
        sent = senders.VbotSenders(self.stack.gateway_port, self.writer, PROJECT, CALLS, 20261129)
        self.send(sent, CALLS * 31 // 12)
        calls = self.assert_exactly({f"vbot-{number}" for number in range(CALLS)}, self.numbers())
        for number in range(CALLS):
            call = calls[f"vbot-{number}"]
            self.assertEqual(list(call.recordings), [f"https://r/{number}.mp3"])
            self.assertEqual((len(call.callers), [party.phone for party in call.callees]), (1, [senders.number_of(number)]))
            self.assertEqual((call.talk_seconds, call.incomplete), (7, False))

    def test_freeswitch(self):
        sent = senders.FreeSwitchSenders(self.stack.gateway_port, self.writer, self.folder, CALLS, 20261130)
        self.send(sent, CALLS * 7 // 3)
        for at in range(0, len(sent.kept), 500):
            self.stack.ctl("--service", self.stack.service_address, "--token", self.writer, "import", "--format", "freeswitch",
                           *sent.kept[at:at + 500])
        calls = self.assert_exactly({f"a-{number}" for number in range(CALLS)}, self.numbers())
        b_leg = ("102", call_pb2.DISPOSITION_NO_ANSWER, 8)
        c_leg = ("103", call_pb2.DISPOSITION_ANSWERED_ELSEWHERE, 8)
        for number in range(CALLS):
            call = calls[f"a-{number}"]
            self.assertEqual((call.disposition, call.incomplete), (call_pb2.DISPOSITION_ANSWERED, False))
            self.assertEqual(sorted((party.phone, party.disposition, party.duration_seconds) for party in call.callees),
                             [b_leg, c_leg] if number % 3 == 0 else [b_leg])
            self.assertEqual(sorted(call.recordings), [f"/r/{leg}-{number}.wav" for leg in ("bc" if number % 3 == 0 else "b")])


if __name__ == "__main__":
    unittest.main()
