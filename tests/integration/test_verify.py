"""callhistoryctl verify: a store with every kind of deliberate damage; each is detected, repaired, and then all is right again.

Damage is done by commands to a real Redis, on a copy of a small store that is restored before each kind.
"""

import json
import os
import random
import re
import struct
import shutil
import subprocess
import tempfile
import unittest

import harness
import redis_servers
import stubs

NUMBERS = ("0912000001", "0912000002", "0912000003")
CALLS = 400  # three chunks of the time line besides its head


def entry_value(score, places):
    return struct.pack(">q", score) + b"\0".join(places)


class Store:
    """The tenant's keys, read directly."""

    def __init__(self, redis, tag):
        self.redis, self.tag = redis, tag

    def key(self, place):
        return self.tag + place

    def places(self):
        return sorted(key[len(self.tag):] for key in self.redis("KEYS", self.tag.replace(b"{", b"\\{") + b"*"))

    def buckets(self):
        return [place for place in self.places() if place[:1] == b"i"]

    def chunks(self, index):
        return [place for place in self.places() if place.startswith(b"k" + index + b":")]

    def an_id(self):
        """Bucket, digest and value of some call that has an extension."""
        for bucket in self.buckets():
            all_of = self.redis("HGETALL", self.key(bucket))
            for digest, value in zip(all_of[::2], all_of[1::2]):
                if b"x101" in value:
                    return bucket, digest, value
        raise AssertionError("no call")

    def parse(self, value):
        return struct.unpack(">q", value[:8])[0], value[8:].split(b"\0")

    def entries(self, chunk):
        """The entries of a chunk: score, digest and hint, as one text; the oldest call's first."""
        content = self.redis("GET", self.key(chunk))
        return [content[at:at + 27] for at in range(0, len(content), 27)]

    def write(self, chunk, entries):
        """Writes a chunk, or deletes it, and nothing else."""
        order = sorted(entries, key=lambda entry: (struct.unpack(">q", entry[:8])[0], entry[8:16]), reverse=True)
        self.redis(*(("SET", self.key(chunk), b"".join(order)) if order else ("DEL", self.key(chunk))))


def damages():
    """Name and action of each kind."""

    def one(name):
        def register(action):
            kinds.append((name, action))
            return action
        return register

    kinds = []

    @one("record deleted")
    def _(s):
        place = NUMBERS[0].encode()
        s.redis("ZREM", s.key(place), s.redis("ZRANGE", s.key(place), 0, 0)[0])

    @one("all records of a number deleted")
    def _(s):
        s.redis("DEL", s.key(NUMBERS[0].encode()))

    @one("all records of an hour deleted")
    def _(s):
        s.redis("DEL", s.key([place for place in s.places() if place[:1] == b"h"][0]))

    @one("record with another score")
    def _(s):
        place = NUMBERS[1].encode()
        member, score = s.redis("ZRANGE", s.key(place), 0, 0, "WITHSCORES")
        s.redis("ZADD", s.key(place), int(score) - 2048 * 5000, member)

    @one("record that cannot be read")
    def _(s):
        s.redis("ZADD", s.key(NUMBERS[1].encode()), -5, b"12345678\x0a\x7fxx")

    @one("record twice")
    def _(s):
        member, score = s.redis("ZRANGE", s.key(NUMBERS[0].encode()), 0, 0, "WITHSCORES")
        s.redis("ZADD", s.key(NUMBERS[2].encode()), score, member)

    @one("former version of a record")
    def _(s):
        member, score = s.redis("ZRANGE", s.key(NUMBERS[0].encode()), 0, 0, "WITHSCORES")
        s.redis("ZADD", s.key(NUMBERS[0].encode()), int(score) + 2048, member + b"\x28\x01")

    @one("reference of the time line deleted")
    def _(s):
        chunk = s.chunks(b"t")[-1]
        s.write(chunk, s.entries(chunk)[1:])

    @one("reference of an extension deleted")
    def _(s):
        chunk = s.chunks(b"x101")[-1]
        s.write(chunk, s.entries(chunk)[1:])

    @one("reference of a further external number deleted")
    def _(s):
        for member in s.redis("ZRANGE", s.key(b"0977777777"), 0, -1):
            if member[8:9] != b"\x0a":
                return s.redis("ZREM", s.key(b"0977777777"), member)
        raise AssertionError("no reference")

    @one("reference to nowhere in the time line")
    def _(s):
        chunk = s.chunks(b"t")[-1]
        s.write(chunk, s.entries(chunk) + [s.entries(chunk)[0][:8] + b"abcdefgh" + s.entries(chunk)[0][16:]])

    @one("reference to nowhere in an extension")
    def _(s):
        chunk = s.chunks(b"x101")[-1]
        s.write(chunk, s.entries(chunk) + [s.entries(chunk)[0][:8] + b"abcdefgh" + s.entries(chunk)[0][16:]])

    @one("reference to nowhere in an external number")
    def _(s):
        s.redis("ZADD", s.key(b"0977777777"), -1000, b"abcdefgh")

    @one("reference that is too short")
    def _(s):
        s.redis("ZADD", s.key(b"0977777777"), -1000, b"abc")

    @one("chunk that is cut off")
    def _(s):
        s.redis("SET", s.key(s.chunks(b"t")[1]), b"".join(s.entries(s.chunks(b"t")[1]))[:-5])

    @one("chunk out of order")
    def _(s):
        s.redis("SET", s.key(s.chunks(b"t")[1]), b"".join(reversed(s.entries(s.chunks(b"t")[1]))))

    @one("reference of an extension that the call has not")
    def _(s):
        s.write(s.chunks(b"x101")[-1], s.entries(s.chunks(b"x101")[-1]) + s.entries(s.chunks(b"x102")[-1])[:1])

    @one("reference with another score")
    def _(s):
        chunk = s.chunks(b"x101")[-1]
        first, *others = s.entries(chunk)
        s.write(chunk, [struct.pack(">q", struct.unpack(">q", first[:8])[0] - 2048) + first[8:]] + others)

    @one("reference in a wrong chunk")
    def _(s):
        chunks = sorted(s.chunks(b"t"), key=lambda place: int(place.split(b":")[1]))
        first, *others = s.entries(chunks[0])
        s.write(chunks[0], others)
        s.write(chunks[-1], s.entries(chunks[-1]) + [first])

    @one("entry of the id index deleted")
    def _(s):
        bucket, digest, _ = s.an_id()
        s.redis("HDEL", s.key(bucket), digest)

    @one("bucket of the id index deleted")
    def _(s):
        s.redis("DEL", s.key(s.buckets()[0]))

    @one("all of the id index deleted")
    def _(s):
        for bucket in s.buckets():
            s.redis("DEL", s.key(bucket))

    @one("entry of the id index without its call")
    def _(s):
        s.redis("HSET", s.key(s.buckets()[0]), b"\0\0\0\0abcd", entry_value(-1000, [b"0912000001"]))

    @one("entry of the id index in a wrong bucket")
    def _(s):
        bucket, digest, value = s.an_id()
        other = [place for place in s.buckets() if place != bucket][0]
        s.redis("HDEL", s.key(bucket), digest)
        s.redis("HSET", s.key(other), digest, value)

    @one("entry of the id index that cannot be read")
    def _(s):
        bucket, digest, _ = s.an_id()
        s.redis("HSET", s.key(bucket), digest, "x")

    @one("entry of the id index with a malformed field")
    def _(s):
        s.redis("HSET", s.key(s.buckets()[0]), "short", "x" * 20)

    @one("entry of the id index with another score")
    def _(s):
        bucket, digest, value = s.an_id()
        score, places = s.parse(value)
        s.redis("HSET", s.key(bucket), digest, entry_value(score - 2048, places))

    @one("entry of the id index with another home")
    def _(s):
        bucket, digest, value = s.an_id()
        score, places = s.parse(value)
        s.redis("HSET", s.key(bucket), digest, entry_value(score, [b"0912999999"] + places[1:]))

    @one("entry of the id index without its extension")
    def _(s):
        bucket, digest, value = s.an_id()
        score, places = s.parse(value)
        s.redis("HSET", s.key(bucket), digest, entry_value(score, [place for place in places if place != b"x101"]))

    @one("entry of the id index with one extension more")
    def _(s):
        bucket, digest, value = s.an_id()
        s.redis("HSET", s.key(bucket), digest, value + b"\0x555")

    def a_group(s):
        """A bucket of groups, its first digest and the number of the group."""
        bucket = [place for place in s.places() if place[:1] == b"g"][-1]
        digest, number = s.redis("ZRANGE", s.key(bucket), 0, 0, "WITHSCORES")
        return bucket, digest, number

    @one("reference of a group deleted")
    def _(s):
        bucket, digest, _ = a_group(s)
        s.redis("ZREM", s.key(bucket), digest)

    @one("all references of groups deleted")
    def _(s):
        for bucket in [place for place in s.places() if place[:1] == b"g"]:
            s.redis("DEL", s.key(bucket))

    @one("reference of a group to nowhere")
    def _(s):
        bucket, _, number = a_group(s)
        s.redis("ZADD", s.key(bucket), number, b"abcdefgh")

    @one("reference of another group")
    def _(s):
        bucket, digest, number = a_group(s)
        s.redis("ZADD", s.key(bucket), int(number) ^ 0x800000, digest)

    @one("reference of a group in a wrong bucket")
    def _(s):
        bucket, digest, number = a_group(s)
        s.redis("ZREM", s.key(bucket), digest)
        s.redis("ZADD", s.key(b"g00ffffff"), number, digest)

    @one("entry of the id index without its group")
    def _(s):
        _, digest, number = a_group(s)
        for bucket in s.buckets():
            value = s.redis("HGET", s.key(bucket), digest)
            if value:
                s.redis("HSET", s.key(bucket), digest, value.replace(b"\0g%06x" % int(number), b""))

    @one("counter of the id index too high")
    def _(s):
        s.redis("HINCRBY", s.key(b"m"), "n", 7)

    @one("counter of the id index deleted")
    def _(s):
        s.redis("HDEL", s.key(b"m"), "n")

    @one("number of buckets too low")
    def _(s):
        s.redis("HSET", s.key(b"m"), "b", 2)

    @one("number of buckets deleted")
    def _(s):
        s.redis("HDEL", s.key(b"m"), "b")

    @one("meta deleted")
    def _(s):
        s.redis("DEL", s.key(b"m"))

    @one("owner of the tag deleted")
    def _(s):
        s.redis("HDEL", s.key(b"m"), "owner")

    @one("tenant missing in the list")
    def _(s):
        s.redis("DEL", "callhistory:tenants")

    @one("state deleted")
    def _(s):
        s.redis("HDEL", s.key(b"m"), "t", "x101")

    @one("state with another total")
    def _(s):
        s.redis("HSET", s.key(b"m"), "t", struct.pack(">Q", 999)[2:] + s.redis("HGET", s.key(b"m"), "t")[6:])

    @one("state with another size of its head")
    def _(s):
        total, state = s.redis("HGET", s.key(b"m"), "t")[:6], s.redis("HGET", s.key(b"m"), "t")[10:]
        s.redis("HSET", s.key(b"m"), "t", total + struct.pack(">I", 3) + state)

    @one("state with another head")
    def _(s):
        state = s.redis("HGET", s.key(b"m"), "t")
        s.redis("HSET", s.key(b"m"), "t", state[:10] + struct.pack(">q", 2048) + state[18:])

    @one("state with another newest call")
    def _(s):
        state = s.redis("HGET", s.key(b"m"), "t")
        s.redis("HSET", s.key(b"m"), "t", state[:18] + struct.pack(">q", 2048))

    @one("state of an index that does not exist")
    def _(s):
        s.redis("HSET", s.key(b"m"), "x999", s.redis("HGET", s.key(b"m"), "x101"))

    @one("directory deleted")
    def _(s):
        s.redis("DEL", s.key(b"t"))

    @one("directory without one of its chunks")
    def _(s):
        s.redis("ZREM", s.key(b"t"), s.redis("ZRANGE", s.key(b"t"), 1, 1)[0])

    @one("directory with another size")
    def _(s):
        name = s.redis("ZRANGE", s.key(b"t"), 1, 1)[0]
        _, bound = struct.unpack(">Iq", name)
        s.redis("ZREM", s.key(b"t"), name)
        s.redis("ZADD", s.key(b"t"), bound, struct.pack(">Iq", 3, bound))

    @one("directory with another score")
    def _(s):
        name = s.redis("ZRANGE", s.key(b"t"), 1, 1)[0]
        s.redis("ZADD", s.key(b"t"), -5, name)

    @one("directory with a malformed name")
    def _(s):
        s.redis("ZADD", s.key(b"t"), -5, "nonsense")

    @one("chunk deleted")
    def _(s):
        s.redis("DEL", s.key(s.chunks(b"t")[1]))

    @one("newest chunk deleted")
    def _(s):
        s.redis("DEL", s.key(min(s.chunks(b"t"), key=lambda place: int(place.split(b":")[1]))))

    @one("chunks of an extension deleted")
    def _(s):
        s.redis("DEL", *[s.key(chunk) for chunk in s.chunks(b"x101")])

    @one("directory names a chunk that is not there")
    def _(s):
        s.redis("ZADD", s.key(b"x101"), -77, struct.pack(">Iq", 5, -77))

    @one("foreign type: number")
    def _(s):
        s.redis("SET", s.key(NUMBERS[2].encode()), "x")

    @one("foreign type: directory")
    def _(s):
        s.redis("SET", s.key(b"x101"), "x")

    @one("foreign type: chunk")
    def _(s):
        chunk = s.key(s.chunks(b"x101")[0])
        s.redis("DEL", chunk)
        s.redis("LPUSH", chunk, "x")

    @one("foreign type: bucket")
    def _(s):
        s.redis("SET", s.key(s.buckets()[0]), "x")

    @one("foreign type: meta")
    def _(s):
        s.redis("SET", s.key(b"m"), "x")

    return kinds


# The id index decides which numbers a call has: here it is damaged so that it reads well, and a number is lost.
LOST_NUMBER = {"entry of the id index without its extension": "101"}

# Damage that destroys calls themselves: nobody can bring them back.
LOSSES = {"record deleted", "all records of a number deleted", "all records of an hour deleted", "foreign type: number"}


class Verify(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = harness.Stack()
        cls.stack.start()
        cls.addClassCleanup(cls.stack.stop)
        cls.token = cls.stack.token("writer")
        calls = []
        for i in range(CALLS):
            call = stubs.call(NUMBERS[i % 3] if i % 10 else "55", i)
            call.callees.add(phone=f"{101 + i % 4}", member_no=f"{101 + i % 4}")
            call.group_id = f"group {i // 5}" if i % 3 else ""
            if i % 7 == 0:
                call.callees.add(phone="0977777777")
            calls.append(call)
        with stubs.channel(cls.stack.service_address) as channel:
            request = stubs.ingest.RecordCallsRequest(project_code=harness.PROJECT, vbot_id=harness.VBOT, calls=calls)
            stubs.ingest_grpc.CallIngestServiceStub(channel).RecordCalls(
                request, metadata=[("authorization", "Bearer " + cls.token)], timeout=harness.WAIT_SECONDS)
        cls.redis = harness.RedisClient(cls.stack.redis_socket)
        cls.addClassCleanup(cls.redis.close)
        tag = b"{" + cls.redis("HGET", "callhistory:tenants", f"{harness.PROJECT}\0{harness.VBOT}") + b"}"
        cls.store = Store(cls.redis, tag)
        cls.saved = {key: cls.redis("DUMP", key) for key in cls.redis("KEYS", "*")}

    def restore(self):
        self.redis("FLUSHDB")
        for key, value in self.saved.items():
            self.redis("RESTORE", key, 0, value)

    def verify(self, *options):
        done = subprocess.run([os.path.join(harness.BIN, "callhistoryctl"), "--redis", self.stack.operator_url, "verify", *options],
                              capture_output=True, text=True, timeout=harness.WAIT_SECONDS)
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout

    def listed(self, phone="", token=None):
        """The ids of a listing, whose number must be the count."""
        with stubs.channel(self.stack.service_address) as channel:
            metadata = [("authorization", "Bearer " + (token or self.token))]
            history = stubs.history_grpc.CallHistoryServiceStub(channel)
            tenant = {"project_code": harness.PROJECT, "vbot_id": harness.VBOT, "phone": phone}
            calls = history.ListCalls(stubs.history.ListCallsRequest(page_size=1000, **tenant), metadata=metadata,
                                      timeout=harness.WAIT_SECONDS).calls
            count = history.CountCalls(stubs.history.CountCallsRequest(**tenant), metadata=metadata,
                                       timeout=harness.WAIT_SECONDS).count
        self.assertEqual(len(calls), count, phone)
        return [call.id for call in calls]

    def test_a_sound_store(self):
        self.restore()
        code, out = self.verify()
        self.assertEqual((code, out), (0, "1 tenants verified, 0 differences\n"))
        self.assertEqual(self.verify("--json"), (0, ""))
        self.assertEqual(self.verify("--project-code", "NOBODY", "--vbot-id", "X"), (0, "0 tenants verified, 0 differences\n"))

    def test_every_kind_of_damage(self):
        kinds = damages()
        self.assertGreaterEqual(len(kinds), 40)
        self.restore()
        phones = ("", *NUMBERS, "0977777777", "55", "101", "102", "103", "104")
        right = {phone: self.listed(phone) for phone in phones}
        for name, damage in kinds:
            with self.subTest(name):
                self.restore()
                damage(self.store)
                code, out = self.verify()
                self.assertEqual(code, 1, out)
                self.assertRegex(out, r": .+ \(\d+ times\)")
                self.assertNotRegex(out, re.compile(r"09\d{8}"))
                for _ in range(3):
                    code, out = self.verify("--repair")
                    if not code:
                        break
                self.assertEqual(self.verify(), (0, "1 tenants verified, 0 differences\n"))
                found = {phone: self.listed(phone) for phone in phones}
                if name in LOSSES:
                    self.assertLess(len(found[""]), len(right[""]))
                    for phone in phones:
                        self.assertEqual(found[phone], [call for call in right[phone] if call in found[""]])
                elif name in LOST_NUMBER:
                    phone = LOST_NUMBER[name]
                    self.assertEqual(len(found.pop(phone)), len(right[phone]) - 1)
                    self.assertEqual(found, {other: calls for other, calls in right.items() if other != phone})
                else:
                    self.assertEqual(found, right)

    def lose_tenants(self):
        """Calls stay, and nothing but their tag's own key names their tenant. Gives what is listed."""
        self.restore()
        calls = self.listed()
        self.redis("DEL", "callhistory:tenants", "callhistory:tokens")
        # A tag that was claimed and never used is no difference, nor is a key that merely looks like one of a tag.
        self.redis("HSET", "{unused00}m", "owner", f"{harness.PROJECT}\0{harness.VBOT}")
        self.redis("SET", "{a}xb}m", "x")
        return calls

    def lost(self, advice):
        tag = self.store.tag[1:-1].decode()
        return f"calls are stored under the tag {tag}, which neither the list of tenants nor a token names; {advice}"

    def test_lost_tenants(self):
        calls = self.lose_tenants()
        who, text = f"{harness.PROJECT}/{harness.VBOT}: ", self.lost("--repair enters it in the list, then issue tokens")
        self.assertEqual(self.verify(), (1, f"{who}{text} (1 times)\n0 tenants verified, 1 differences\n"))
        self.assertEqual(self.verify("--project-code", "NOBODY", "--vbot-id", "X"), (0, "0 tenants verified, 0 differences\n"))
        self.assertEqual(self.verify("--repair"),
                         (1, f"{who}{text} (1 times)\n1 tenants verified, 1 differences repaired\n"))
        self.assertEqual(self.verify(), (0, "1 tenants verified, 0 differences\n"))
        self.assertEqual(self.listed(token=self.stack.issue("reader")), calls)

    def test_lost_tenants_without_owner(self):
        self.lose_tenants()
        self.redis("HDEL", self.store.key(b"m"), "owner", "n")
        text = self.lost('its tenant is unknown, so see "Calls without a tenant" in the runbook')
        self.assertEqual(self.verify(), (1, f"?/?: {text} (1 times)\n0 tenants verified, 1 differences\n"))
        self.assertEqual(self.verify("--repair"), (1, f"?/?: {text} (1 times)\n0 tenants verified, 1 differences, all but 1 repaired\n"))
        self.redis("SET", self.store.key(b"m"), "x")
        self.assertEqual(self.verify("--repair")[1], f"?/?: {text} (1 times)\n0 tenants verified, 1 differences, all but 1 repaired\n")
        self.assertEqual(self.redis("EXISTS", "callhistory:tenants"), 0)

    def test_lost_tenant_with_another_tag(self):
        """New tokens were issued before anybody noticed. The runbook's way out loses none of the calls."""
        calls = self.lose_tenants()
        token = self.stack.issue("writer")
        call = harness.call("0912000009", 1, id="new")
        service = ("--service", self.stack.service_address, "--token")
        self.stack.ctl(*service, token, "import", "-", stdin=json.dumps(call) + "\n")
        text = self.lost('its tenant has another tag, so see "Calls without a tenant" in the runbook')
        for options in ((), ("--repair",)):
            code, out = self.verify(*options)
            self.assertEqual(code, 1)
            self.assertIn(text, out)
        exported = self.stack.ctl(*service, token, "export")[1]
        pair = ("--project-code", harness.PROJECT, "--vbot-id", harness.VBOT)
        redis = ("--redis", self.stack.operator_url)
        self.stack.ctl(*redis, "retention", "--older-than", "1s", "--yes", *pair)
        self.redis("HSET", "callhistory:tenants", f"{harness.PROJECT}\0{harness.VBOT}", self.store.tag[1:-1])
        for line in self.stack.ctl(*redis, "token", "list", "--json")[1].splitlines():
            self.stack.ctl(*redis, "token", "revoke", json.loads(line)["id"])
        token = self.stack.issue("writer")
        self.stack.ctl(*service, token, "import", "-", stdin=exported)
        self.assertEqual(self.verify(), (0, "1 tenants verified, 0 differences\n"))
        self.assertEqual(sorted(self.listed(token=token)), sorted([*calls, "new"]))

    def test_meta_lost_while_calls_arrive(self):
        """What is recorded then enters chunks that overlap the others. One repair puts all of it right."""
        rng = random.Random(7)
        self.restore()
        self.record(rng, 1500)
        self.redis("DEL", self.store.key(b"m"))
        self.record(rng, 300)
        self.assertEqual(self.verify("--repair")[0], 1)
        self.assertEqual(self.verify(), (0, "1 tenants verified, 0 differences\n"))
        for phone in (*NUMBERS, "55", "101", "102", "103", "104"):
            self.listed(phone)

    def record(self, rng, count):
        calls = []
        for i in rng.sample(range(3000), count):
            call = stubs.call(rng.choice((*NUMBERS, "55")), i)
            call.callees.add(phone=f"{101 + rng.randrange(4)}", member_no="1")
            calls.append(call)
        with stubs.channel(self.stack.service_address) as channel:
            request = stubs.ingest.RecordCallsRequest(project_code=harness.PROJECT, vbot_id=harness.VBOT)
            for first in range(0, count, 500):
                del request.calls[:]
                request.calls.extend(calls[first:first + 500])
                stubs.ingest_grpc.CallIngestServiceStub(channel).RecordCalls(
                    request, metadata=[("authorization", "Bearer " + self.token)], timeout=harness.WAIT_SECONDS)

    def test_json_and_repair_of_one_tenant(self):
        self.restore()
        self.redis("HINCRBY", self.store.key(b"m"), "n", 7)
        tenant = ("--project-code", harness.PROJECT, "--vbot-id", harness.VBOT)
        code, out = self.verify("--json", "--repair", *tenant)
        self.assertEqual(code, 1)
        self.assertEqual(out, f'{{"project_code":"{harness.PROJECT}","vbot_id":"{harness.VBOT}",'
                              '"difference":"the counter of the id index is wrong","count":1,"repaired":true}\n')
        self.assertEqual(self.verify(*tenant)[0], 0)


class OfCluster(unittest.TestCase):
    """Each master is asked for the tags that it has."""

    TENANTS = 48  # so that no master is without a tag

    def test_lost_tenants(self):
        folder = tempfile.mkdtemp(prefix="callhistory-verify-")
        self.addCleanup(shutil.rmtree, folder, True)
        cluster = redis_servers.Cluster(folder, replicas=0)
        self.addCleanup(cluster.stop)
        cluster.start()
        service = redis_servers.ServiceOver(folder, cluster.url())
        self.addCleanup(lambda: service.process.running() and service.process.kill())
        service.start()
        tenants = [(f"P{i}", "V") for i in range(self.TENANTS)]
        lines = os.path.join(folder, "calls.ndjson")
        with open(lines, "w", encoding="utf-8") as out:
            for i, (project, vbot) in enumerate(tenants):
                out.write(json.dumps({**harness.call("0912000009", i), "project_code": project, "vbot_id": vbot}) + "\n")
        service.ctl("--service", service.address, "--token", service.issue("writer", tenants), "import", lines)
        for key in ("callhistory:tenants", "callhistory:tokens"):
            self.assertEqual(cluster.owner(cluster.slot_of(key)).ask("DEL", key), 1)
        self.assertEqual(len({cluster.owner(cluster.slot_of(key)).port for server in cluster.servers for key in server.ask("KEYS", "{*}m")}),
                         len(cluster.servers))
        for options, code, last in (((), 1, f"0 tenants verified, {self.TENANTS} differences"),
                                    (("--repair",), 1, f"{self.TENANTS} tenants verified, {self.TENANTS} differences repaired"),
                                    ((), 0, f"{self.TENANTS} tenants verified, 0 differences")):
            done = subprocess.run([os.path.join(harness.BIN, "callhistoryctl"), "--redis", cluster.url(), "verify", *options],
                                  capture_output=True, text=True, timeout=harness.WAIT_SECONDS, env=harness.clean_environment(), check=False)
            self.assertEqual((done.returncode, done.stdout.splitlines()[-1], done.stderr), (code, last, ""))


if __name__ == "__main__":
    unittest.main()
