"""The images: what their Dockerfiles install is what the programs are linked with."""

import json
import os
import re
import subprocess
import unittest

import harness
import manifests
from render import helps, output, program, read, version

# Packages that every image of Debian has, and those that a sanitizer brings.
GIVEN = re.compile(r"libc6$|libgcc-s1$|lib(a|t|l|ub)san\d")


class Dockerfile:
    """The instructions of a Dockerfile, by stage."""

    def __init__(self, name):
        text = re.sub(r"(?m)^#.*\n", "", read("deploy", "docker", name + ".Dockerfile")).replace("\\\n", "")
        self.stages = [stage.splitlines() for stage in re.split(r"(?m)^(?=FROM )", text) if stage.strip()]

    def all(self, word, stage=-1):
        return [line.partition(" ")[2].strip() for line in self.stages[stage] if line.startswith(word + " ")]

    def packages(self):
        (line,) = [line for line in self.all("RUN") if "apt-get install" in line]
        return set(re.search(r"--no-install-recommends (.*?)&&", line)[1].split())

    def programs(self):
        (line,) = [line for line in self.all("COPY") if line.startswith("--from=build ")]
        return [os.path.basename(path) for path in line.split()[1:-1]]


def owners(paths):
    """The Debian packages that libraries are from, but for those that need not be named."""
    spellings = {path: {path, os.path.realpath(path), path.removeprefix("/usr")} for path in paths}
    listing = subprocess.run(["dpkg", "-S", *set().union(*spellings.values())], capture_output=True, text=True).stdout
    package_of = {path: package.split(":")[0] for package, path in re.findall(r"(?m)^(\S+): (/.*)$", listing)}
    found = set()
    for path, names in spellings.items():
        packages = {package_of[name] for name in names if name in package_of}
        assert packages, f"no package has {path}"
        found |= packages
    return {package for package in found if not GIVEN.match(package)}


def needed(binary):
    """Packages of the libraries that a program names itself."""
    names = re.findall(r"NEEDED\)\s+Shared library: \[(.+?)\]", output("readelf", "-d", binary))
    places = dict(re.findall(r"(?m)^\s*(\S+) => (\S+)", output("ldd", binary)))
    return owners([places[name] for name in names if name in places])


def loaded(binary):
    """Packages of all libraries that end up in the process."""
    return owners(re.findall(r"=> (/\S+)", output("ldd", binary)))


def with_dependencies(packages):
    """The packages and all that come with them."""
    depends = {}
    listing = output("dpkg-query", "-W", "-f", "${Package}\t${Depends},${Pre-Depends}\n")
    for line in listing.splitlines():
        package, _, text = line.partition("\t")
        depends.setdefault(package, set()).update(re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]*)", text))
    found, left = set(), list(packages)
    while left:
        package = left.pop()
        if package not in found:
            found.add(package)
            left += depends.get(package, ())
    return found


class Images(unittest.TestCase):
    def test_libraries_are_those_that_the_programs_need(self):
        for name in manifests.PROGRAMS:
            file = Dockerfile(name)
            listed = file.packages() - {"tzdata"}
            named = set().union(*(needed(program(each)) for each in file.programs()))
            everything = set().union(*(loaded(program(each)) for each in file.programs()))
            self.assertEqual(named - listed, set(), f"{name}: not installed")
            self.assertEqual(listed - everything, set(), f"{name}: of no use")
            self.assertEqual(everything - with_dependencies(listed), set(), f"{name}: not installed, nor by another")

    def test_a_missing_library_is_found(self):
        self.assertIn("libprotobuf-c1", needed(program("callhistoryd")))
        self.assertIn("libgrpc29", needed(program("callhistory-gateway")))
        self.assertTrue(loaded(program("callhistoryd")) - with_dependencies({"libprotobuf-c1"}))

    def test_each_program_has_an_image_of_its_own(self):
        for name in manifests.PROGRAMS:
            file = Dockerfile(name)
            self.assertEqual(json.loads(*file.all("ENTRYPOINT")), ["/usr/local/bin/" + name])
            self.assertIn(name, file.programs())
            self.assertEqual(file.all("CMD"), [])

    def test_nothing_runs_as_root(self):
        for name in manifests.PROGRAMS:
            (user,) = Dockerfile(name).all("USER")
            self.assertRegex(user, r"^[1-9]\d*:[1-9]\d*$")

    def test_the_build_is_made_once(self):
        stages = [Dockerfile(name).stages[0] for name in manifests.PROGRAMS]
        self.assertEqual(stages[0], stages[1])
        self.assertEqual(stages[0], stages[2])
        self.assertIn("deploy/local/install build", Dockerfile("callhistoryd").all("RUN", 0))

    def test_the_context_holds_what_is_copied(self):
        kept = {line[1:] for line in read(".dockerignore").splitlines() if line.startswith("!")}
        copied = {path for line in Dockerfile("callhistoryd").all("COPY", 0) for path in line.split()[:-1]}
        self.assertEqual(copied, kept)
        for path in kept:
            self.assertTrue(os.path.exists(os.path.join(harness.SOURCE, path)), path)

    def test_variables_are_options(self):
        for name in manifests.PROGRAMS:
            for variable in re.findall(r"CALLHISTORY_(\w+)=", " ".join(Dockerfile(name).all("ENV"))):
                self.assertIn("--" + variable.lower().replace("_", "-"), helps()[name])

    def test_labels(self):
        for name in manifests.PROGRAMS:
            labels = " ".join(Dockerfile(name).all("LABEL"))
            for key in ("title", "description", "version", "revision", "licenses"):
                self.assertIn(f"org.opencontainers.image.{key}=", labels)
            self.assertIn("VERSION=" + version(), Dockerfile(name).all("ARG"))


if __name__ == "__main__":
    unittest.main()
