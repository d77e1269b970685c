"""The systemd units: systemd-analyze accepts them, their exposure is low, and their files and options exist."""

import os
import re
import tempfile
import unittest

import manifests
import render
import tools

SYSTEMD = os.path.join(render.DEPLOY, "systemd")
# systemd-analyze's score of exposure, 0 to 10; above this a unit has lost some of its protection.
EXPOSURE = 2.0


def unit(name):
    """The settings of a unit: key → values."""
    found = {}
    for key, value in re.findall(r"(?m)^(\w+)=(.*)$", render.read("deploy", "systemd", name)):
        found.setdefault(key, []).append(value)
    return found


class Units(unittest.TestCase):
    SERVICES = sorted(name for name in os.listdir(SYSTEMD) if name.endswith(".service"))

    def test_systemd_accepts_them(self):
        with tempfile.TemporaryDirectory(prefix="callhistory-test-") as root:
            for name in os.listdir(SYSTEMD):
                text = render.read("deploy", "systemd", name)
                # Programs are not installed here; the units must find them where the package puts them.
                text = re.sub(r"/usr/bin/(callhistory\S+)", lambda m: render.program(m[1]), text)
                text = text.replace("/usr/share/callhistory/redis", os.path.join(render.DEPLOY, "redis"))
                with open(os.path.join(root, name), "w", encoding="utf-8") as file:
                    file.write(text)
            units = [os.path.join(root, name) for name in os.listdir(root) if name.endswith((".service", ".timer"))]
            _, text = tools.run("systemd-analyze", "verify", "--man=no", *units,
                                env={**os.environ, "SYSTEMD_UNIT_PATH": root + ":"})
            self.assertEqual([line for line in text.splitlines() if "callhistory" in line], [])

    def test_they_are_confined(self):
        for name in self.SERVICES:
            _, text = tools.run("systemd-analyze", "security", "--offline=yes", os.path.join(SYSTEMD, name))
            score = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", text)[1])
            self.assertLessEqual(score, EXPOSURE, f"{name}: {text}")

    def test_the_programs_read_the_variables(self):
        for name, program in (("callhistoryd",) * 2, ("callhistory-gateway",) * 2, ("callhistory-retention", "callhistoryctl")):
            for variable in re.findall(r"(?m)^(CALLHISTORY_\w+)=", render.read("deploy", "systemd", name + ".conf")):
                self.assertIn("environment: " + variable + "\n", render.helps()[program], name)
            (start,) = unit(name + ".service")["ExecStart"]
            for option in manifests.program_options(start.split()):
                self.assertIn(option, render.helps()[program])

    def test_users_and_directories_are_made(self):
        users = set(re.findall(r"(?m)^u (\S+)", render.read("deploy", "systemd", "callhistory.sysusers")))
        for name in self.SERVICES:
            self.assertIn(unit(name)["User"][0], users)

    def test_systemd_makes_the_users(self):
        with tempfile.TemporaryDirectory(prefix="callhistory-test-") as root:
            os.mkdir(os.path.join(root, "etc"))
            tools.run("systemd-sysusers", "--root=" + root, os.path.join(SYSTEMD, "callhistory.sysusers"))
            with open(os.path.join(root, "etc", "passwd"), encoding="ascii") as file:
                names = {line.split(":")[0] for line in file}
            self.assertLessEqual({"callhistory", "callhistory-redis"}, names)

    def test_the_drain_ends_before_systemd_kills(self):
        grace = int(re.search(r"--grace SECONDS\n(?:.*\n)*?\s+default: (\d+)", render.helps()["callhistoryd"])[1])
        for name in ("callhistoryd", "callhistory-gateway"):
            self.assertGreater(int(unit(name + ".service")["TimeoutStopSec"][0]), grace)


if __name__ == "__main__":
    unittest.main()
