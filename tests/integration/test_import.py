"""Import and the promises about identity: the same file twice, a call recorded again, bad lines among good ones."""

import json
import unittest

import harness
from harness import call


class Import(harness.StackTest):
    def test_twice_changes_nothing(self):
        lines = [call("0908111222", second) for second in range(50)]
        for line in lines[:25]:
            del line["id"]  # its id is then a digest of the record
        _, first, _ = self.stack.import_lines(lines)
        before = self.stack.list("0908111222")
        self.assertEqual(len(before), 50)
        self.stack.import_lines(lines)
        self.assertEqual(self.stack.list("0908111222"), before)
        self.assertEqual(self.stack.count("0908111222"), 50)

    def test_another_number_leaves_the_old_one(self):
        self.stack.import_lines([call("0908333444", 7, id="moves")])
        self.assertEqual(self.stack.count("0908333444"), 1)
        self.stack.import_lines([call("0908555666", 7, id="moves", callee=[{"phone": "109"}])])
        self.assertEqual(self.stack.count("0908333444"), 0)
        self.assertEqual(self.stack.list("0908333444"), [])
        self.assertEqual(self.stack.count("0908555666"), 1)
        self.assertEqual(self.stack.count("109"), 1)

    def test_replaced_record_shows_its_new_content(self):
        self.stack.import_lines([call("0908777888", 1, id="again")])
        self.stack.import_lines([call("0908777888", 1, id="again", time_call="99", disposition="BUSY")])
        (only,) = self.stack.list("0908777888")
        self.assertEqual((only["time_call"], only["disposition"]), ("99", "BUSY"))

    def test_bad_lines_are_named_and_skipped(self):
        good = [json.dumps(call("0908999000", second)) for second in range(3)]
        text = "\n".join([
            good[0],
            "{not json",
            json.dumps(call("0908999000", 10, time_call="soon")),
            json.dumps(call("0908999000", 11, callee=[{"phone": "1"}, {"phone": "2", "time_call": "x"}])),
            good[1],
            json.dumps({"project_code": harness.PROJECT, "vbot_id": harness.VBOT}),
            "",
            good[2],
        ]) + "\n"
        status, _, errors = self.stack.import_text(text, check=False)
        self.assertEqual(status, 1)
        self.assertEqual(self.stack.count("0908999000"), 3)
        for line, field in ((2, ""), (3, "time_call"), (4, "callee[1].time_call"), (6, "date_create")):
            self.assertRegex(errors, rf"(?m):{line}:.*{field.replace('[', '.').replace(']', '.')}")
        self.assertNotRegex(errors, r"(?m):(1|5|7|8): ")

    def test_many_pages_have_every_call_once(self):
        number = "0908121212"
        self.stack.import_lines([call(number, second) for second in range(2503)])
        self.assertEqual(self.stack.count(number), 2503)
        for phone in (number, "101"):
            seen, page = [], 1
            while page < 100:
                calls = [c for c in self.stack.list(phone, page, 1000)]
                seen += [c["date_create"] for c in calls if c["caller"][0]["phone"] == number]
                if len(calls) < 1000:
                    break
                page += 1
            self.assertEqual(len(seen), 2503)
            self.assertEqual(seen, sorted(seen, reverse=True))


if __name__ == "__main__":
    unittest.main()
