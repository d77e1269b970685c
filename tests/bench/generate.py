#!/usr/bin/env python3
"""Writes made-up calls as NDJSON, the same ones every time, for measuring and for the sample.

    tests/bench/generate.py --calls 1000000 > calls.ndjson
    tests/bench/generate.py --sample > deploy/local/sample-calls.ndjson

Skewed as real traffic is: most customers have a handful of calls and a few have thousands; extensions have tens of
thousands, the busiest one call in twenty. Working hours are busy, nights are quiet. Lines come in order of time.
"""

import argparse
import datetime
import random
import sys

PROJECT = "DEMO"
RECORDINGS = "https://recordings.example.vn"
HOTLINES = ("19001234", "02473001234", "02873005678", "1800556677")

# Today's mobile prefixes.
MOBILE = (
    "032 033 034 035 036 037 038 039 052 056 058 059 070 076 077 078 079 081 082 083 084 085 086 087 088 089 "
    "090 091 092 093 094 096 097 098 099"
).split()

# How busy each hour of the day is.
HOURS = (1, 1, 1, 1, 1, 2, 6, 20, 60, 90, 95, 80, 45, 60, 85, 90, 85, 60, 35, 25, 18, 12, 6, 3)

SOURCES = ("softphone", "app", "ipphone", "web", "api")
DISPOSITIONS = (
    "MORE MISSCALL ANSWER BUSY NOANSWER CANCEL SOMEONEANSWERED LOGOUT INCALL CONGESTION CHANUNAVAIL DONTCALL TORTURE "
    "INVALIDARGS NORMAL_CLEARING"
).split()

CUSTOMER_EXPONENT = 2.2  # the rank of a call's customer is N * u ** this
EXTENSION_EXPONENT = 2.0


def party(phone, date, disposition, seconds, postage=0, source="", member="", vbot="", name=""):
    named = f',"name":"{name}"' if name else ""
    return (
        f'{{"phone":"{phone}","vbot_id":"{vbot}","date_create":"{date}","disposition":"{disposition}",'
        f'"time_call":"{seconds}","postage":{postage},"source":"{source}","member_no":"{member}"{named}}}'
    )


def line(vbot, trans_id, hotline, date, callers, callees, seconds, kind, disposition, recordings, more=""):
    identity = f'"trans_id":"{trans_id}",' if trans_id else ""
    return (
        f'{{"project_code":"{PROJECT}","vbot_id":"{vbot}",{identity}"hotline_number":"{hotline}","date_create":"{date}",'
        f'"caller":[{",".join(callers)}],"callee":[{",".join(callees)}],"time_call":"{seconds}","type_call":"{kind}",'
        f'"disposition":"{disposition}","record_file":[{",".join(recordings)}]{more}}}\n'
    )


def mobile_numbers(rng, count):
    """`count` different mobile numbers."""
    numbers = {}
    while len(numbers) < count:
        numbers[f"{MOBILE[int(rng.random() * len(MOBILE))]}{int(rng.random() * 10_000_000):07}"] = None
    return list(numbers)


def seconds_of_day(rng, count):
    """Moments of `count` calls within a day, sorted."""
    return sorted(hour * 3600 + int(rng.random() * 3600) for hour in rng.choices(range(24), HOURS, k=count))


def moments(rng, calls, days, start):
    """(date as the contract writes it, day as a path, Unix time) of every call."""
    done = 0
    for day in range(days):
        date = start + datetime.timedelta(days=day)
        midnight = int(datetime.datetime(date.year, date.month, date.day, tzinfo=datetime.timezone.utc).timestamp())
        text, path = date.strftime("%m/%d/%Y"), date.strftime("%Y/%m/%d")
        until = calls * (day + 1) // days
        for second in seconds_of_day(rng, until - done):
            clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
            yield f"{text} {clock}", path, midnight - 7 * 3600 + second
        done = until


def bulk(options, out):
    rng = random.Random(options.seed)
    customers = mobile_numbers(rng, options.customers)
    extensions = [str(101 + i) for i in range(options.extensions)]
    vbot = "VBOT001"
    rand = rng.random
    batch = []
    for number, (date, path, unix) in enumerate(moments(rng, options.calls, options.days, options.start)):
        trans_id = f"{unix}.{number}"
        shown_id = "" if options.no_ids else trans_id
        phone = customers[int(options.customers * rand() ** CUSTOMER_EXPONENT)]
        extension = extensions[int(options.extensions * rand() ** EXTENSION_EXPONENT)]
        hotline = HOTLINES[int(rand() * rand() * len(HOTLINES))]
        source = SOURCES[int(rand() * len(SOURCES))]
        dice = rand()
        # Most calls are short; a few last an hour.
        seconds = 5 + int(240 * rand() ** 2 / (1.07 - rand()))
        recording = f'"{RECORDINGS}/{path}/{trans_id}.mp3"'
        if dice < 0.34:
            postage = round(seconds * 6.1, 1)
            batch.append(line(
                vbot, shown_id, hotline, date,
                [party(extension, date, "ANSWER", seconds, postage, source, extension, vbot)],
                [party(phone, date, "ANSWER", seconds)],
                seconds, "CALLOUT", "ANSWER", [recording] if rand() < 0.95 else []))
        elif dice < 0.50:
            disposition = ("NOANSWER", "NOANSWER", "BUSY", "CANCEL", "CONGESTION")[int(rand() * 5)]
            batch.append(line(
                vbot, shown_id, hotline, date,
                [party(extension, date, disposition, 0, 0, source, extension, vbot)],
                [party(phone, date, disposition, 0)],
                0, "CALLOUT", disposition, []))
        elif dice < 0.85:
            batch.append(line(
                vbot, shown_id, hotline, date,
                [party(phone, date, "ANSWER", seconds)],
                [party(extension, date, "ANSWER", seconds, 0, source, extension, vbot)],
                seconds, "CALLIN", "ANSWER", [recording] if rand() < 0.95 else []))
        else:
            # A queue rings one to three extensions.
            first = int(options.extensions * rand() ** EXTENSION_EXPONENT)
            rung = {extensions[(first + i) % options.extensions]: None for i in range(1 + int(rand() * 3))}
            batch.append(line(
                vbot, shown_id, hotline, date,
                [party(phone, date, "CANCEL", 0)],
                [party(each, date, "NOANSWER", 0, 0, "", each, vbot) for each in rung],
                0, "MISSCALL", "MISSCALL", []))
        if len(batch) == 1000:
            out.write("".join(batch))
            batch.clear()
    out.write("".join(batch))


# ---- The sample ------------------------------------------------------------------------------------------------------

SAMPLE_CALLS = 200
SPELLINGS = ("0912345678", "+84 912 345 678", "0084912345678", "84912345678", "0912.345.678", "(0912) 345-678")

PEOPLE = (
    ("0987654321", "Nguyễn Thị Hồng Hạnh"), ("0903111222", "Trần Văn Đức"), ("0868123456", "Lê Hoàng Phương Thảo"),
    ("0377889900", "Phạm Quốc Bảo"), ("0705556677", "Vũ Thị Ngọc Ánh"), ("0816223344", "Đặng Minh Khôi"),
    ("0349012345", "Bùi Thanh Tùng"), ("0938765432", "Đỗ Thị Mỹ Duyên"), ("0562345678", "Hoàng Gia Huy"),
    ("024 3826 1234", "Công ty TNHH Sao Mai"), ("+12025550123", "Emily Carter"), ("01202345678", "Huỳnh Ngọc Trâm"),
)

MEMBERS = (
    ("101", "Ngô Thùy Linh"), ("102", "Phan Đình Long"), ("103", "Lý Kim Yến"), ("104", "Dương Anh Tuấn"),
    ("105", "Mai Phương Uyên"), ("201", "Hồ Sỹ Nguyên"), ("202", "Trịnh Bích Ngọc"), ("203", "Châu Hải Đăng"),
)

# Dispositions of outbound calls that nobody took.
FAILED = "BUSY NOANSWER CANCEL CONGESTION CHANUNAVAIL DONTCALL TORTURE INVALIDARGS NORMAL_CLEARING VOICEMAIL".split()

# What the extensions of a missed call did.
MISSED = (
    ("NOANSWER",), ("NOANSWER", "BUSY"), ("NOANSWER", "LOGOUT", "INCALL"), ("LOGOUT", "LOGOUT"),
    ("INCALL", "NOANSWER", "NOANSWER", "BUSY"), ("MISSCALL",),
)

POSTAGES = (6.1, 1500, 0, 450.5, 99.9, 3050, 12.25)


def sample_call(rng, number, date, path, unix):
    vbot = "VBOT002" if number % 5 == 4 else "VBOT001"
    trans_id = f"{unix}.{number}"
    hotline = HOTLINES[number % len(HOTLINES)]
    phone, name = PEOPLE[number % len(PEOPLE)]
    if number % 4 == 0:
        phone, name = SPELLINGS[number // 4 % len(SPELLINGS)], "Nguyễn Văn An"
    member, member_name = MEMBERS[number // 2 % len(MEMBERS)]
    source = SOURCES[number % len(SOURCES)]
    seconds = 8 + int(rng.random() ** 2 * 900)
    postage = POSTAGES[number % len(POSTAGES)]
    recordings = [f'"{RECORDINGS}/{path}/{trans_id}.mp3"']
    event = ',"event_data":"HISTORY_CALL"' if number % 3 == 0 else ""
    kind = rng.choices(("out", "failed", "in", "shared", "missed"), (28, 20, 26, 8, 18))[0]
    # The first ones of each kind go through its list, so that everything occurs.
    turn = number
    if number < 40:
        kind = ("failed", "missed", "shared", "in", "out")[number % 5]
        turn = number // 5

    def customer(disposition, talk):
        return party(phone, date, disposition, talk, name=name)

    def agent(disposition, talk, cost=0, who=(member, member_name)):
        return party(who[0], date, disposition, talk, cost, source, who[0], vbot, who[1])

    if kind == "out":
        if number % 10 == 9:
            recordings.append(f'"{RECORDINGS}/{path}/{trans_id}-2.mp3"')
        return line(vbot, trans_id, hotline, date, [agent("ANSWER", seconds, postage)], [customer("ANSWER", seconds)],
                    seconds, "CALLOUT", "ANSWER", recordings, event)
    if kind == "failed":
        disposition = FAILED[turn % len(FAILED)]
        return line(vbot, trans_id, hotline, date, [agent(disposition, 0)], [customer(disposition, 0)], 0, "CALLOUT",
                    disposition, [], event)
    if kind == "in":
        return line(vbot, trans_id, hotline, date, [customer("ANSWER", seconds)], [agent("ANSWER", seconds)], seconds,
                    "CALLIN", "ANSWER", recordings if number % 6 else [], event)
    if kind == "shared":
        # Several phones rang and one was picked up.
        others = [MEMBERS[(number // 2 + i) % len(MEMBERS)] for i in range(1, 2 + turn % 3)]
        callees = [agent("ANSWER", seconds)] + [agent("SOMEONEANSWERED", 0, who=each) for each in others]
        return line(vbot, trans_id, hotline, date, [customer("ANSWER", seconds)], callees, seconds, "CALLIN", "MORE",
                    recordings, event)
    outcomes = MISSED[turn % len(MISSED)]
    callees = [agent(each, 0, who=MEMBERS[(number // 2 + i) % len(MEMBERS)]) for i, each in enumerate(outcomes)]
    return line(vbot, trans_id, hotline, date, [customer("CANCEL", 0)], callees, 0, "MISSCALL", "MISSCALL", [], event)


def sample(out):
    rng = random.Random(2026)
    text = "".join(
        sample_call(rng, number, *moment)
        for number, moment in enumerate(moments(rng, SAMPLE_CALLS, 40, datetime.date(2026, 2, 2)))
    )
    for word in (*DISPOSITIONS, "VOICEMAIL", "CALLIN", "CALLOUT", "MISSCALL", "VBOT001", "VBOT002", *SPELLINGS):
        if f'"{word}"' not in text:
            raise AssertionError(f"the sample has no {word}")
    out.write(text)


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=positive, default=10_000, help="how many (10000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same calls (1)")
    parser.add_argument("--days", type=positive, default=90, help="days that the calls are spread over (90)")
    parser.add_argument("--start", type=datetime.date.fromisoformat, default=datetime.date(2026, 1, 1),
                        help="first day, YYYY-MM-DD (2026-01-01)")
    parser.add_argument("--customers", type=positive, help="customers' numbers (a fifth of the calls)")
    parser.add_argument("--extensions", type=positive, default=500, help="extensions (500)")
    parser.add_argument("--no-ids", action="store_true", help="leave trans_id out")
    parser.add_argument("--sample", action="store_true", help="write the sample of deploy/local instead")
    options = parser.parse_args()
    if options.customers is None:
        options.customers = max(1, options.calls // 5)
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    if options.sample:
        sample(sys.stdout)
    else:
        bulk(options, sys.stdout)


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        sys.exit(1)
