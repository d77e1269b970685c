"""What takes many calls to see: full pages, one order for number, extension and time line, and the size from which gzip pays."""

import gzip
import json
import unittest
import urllib.parse

import harness

EXTENSION = "301"
NUMBER = "0935000001"
CALLS = 2500


def moment(index):
    """Five calls begin in each second."""
    second = index // 5
    return f"11/02/2026 {8 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


class Pages(harness.StackTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stack.import_lines(
            [harness.call(NUMBER, 0, id=f"{index * 7919 % CALLS:05}", date_create=moment(index), external_call_id=str(index),
                          callee=[{"phone": EXTENSION}]) for index in range(CALLS)])
        cls.key = {"X-API-KEY": cls.stack.token()}

    def page(self, page, size, headers=None, **more):
        query = urllib.parse.urlencode({"page": page, "size": size, **more})
        status, got, body = self.stack.request("GET", f"{harness.PATH}?{query}", headers={**self.key, **(headers or {})})
        self.assertEqual(status, 200, body)
        return got, body

    def walk(self, size, **more):
        seen = []
        for page in range(1, CALLS // size + 3):
            calls = json.loads(self.page(page, size, **more)[1])["data"]
            seen += calls
            if len(calls) < size:
                break
        return seen

    def test_pages_of_1000_hold_every_call_once_and_newest_first(self):
        everything = self.walk(1000)
        self.assertEqual(len(everything), CALLS)
        self.assertEqual(sorted(int(call["external_call_id"]) for call in everything), list(range(CALLS)))
        dates = [call["date_create"] for call in everything]
        self.assertEqual(dates, sorted(dates, reverse=True))

    def test_one_order_through_number_extension_and_time_line(self):
        wanted = self.walk(1000)
        for more in ({}, {"phone": NUMBER}, {"phone": EXTENSION}, {"phone": "+84 935 000 001"}):
            for size in (1000, 333, 50):
                with self.subTest(more=more, size=size):
                    self.assertTrue(self.walk(size, **more) == wanted)

    def test_from_and_to_cut_the_same_order(self):
        wanted = [call for call in self.walk(1000) if "08:01:40" <= call["date_create"][11:] < "08:03:20"]
        self.assertEqual(len(wanted), 500)
        start = 1793581200 + 100  # 11/02/2026 08:01:40 in Ho Chi Minh City
        for more in ({}, {"phone": NUMBER}, {"phone": EXTENSION}):
            self.assertTrue(self.walk(123, **more, **{"from": start, "to": start + 100}) == wanted, more)


class Size(harness.StackTest):
    def test_gzip_from_the_1025th_byte_on(self):
        """Section 1: "An answer over 1 KiB is gzipped when the client accepts it."""
        number = "0935000002"
        target = f"{harness.PATH}?phone={number}&page=1&size=1"
        key = {"X-API-KEY": self.stack.token()}

        def answer_of(url_length, **headers):
            urls = ["https://" + "u" * (url_length - 8)] if url_length else []
            self.stack.import_lines([harness.call(number, 1, record_file=urls)])
            return self.stack.request("GET", target, headers={**key, **headers})

        # A URL takes two quotes besides itself.
        bare = len(answer_of(0)[2]) + 2
        for size, encoding in ((1023, None), (1024, None), (1025, "gzip"), (1400, "gzip")):
            plain = answer_of(size - bare)[2]
            self.assertEqual(len(plain), size)
            status, headers, body = answer_of(size - bare, **{"Accept-Encoding": "gzip"})
            self.assertEqual((status, headers.get("Content-Encoding")), (200, encoding), size)
            self.assertEqual(gzip.decompress(body) if encoding else body, plain)


if __name__ == "__main__":
    unittest.main()
