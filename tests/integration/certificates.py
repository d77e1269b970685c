"""A certificate authority of a test's own, made by the openssl command in a folder that the caller removes."""

import os
import shutil
import ssl
import subprocess


class Authority:
    def __init__(self, folder, name="ca"):
        self.folder, self.name, self.serial = folder, name, 0
        self.file = self.path(name + ".pem")
        self._openssl("req", "-x509", *self._key(name), "-days", "2", "-subj", f"/CN=test {name}",
                      "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", self.file)

    def path(self, name):
        return os.path.join(self.folder, name)

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.folder)

    def _key(self, name):
        return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.path(name + ".key")

    def issue(self, name, names="IP:127.0.0.1,DNS:localhost", days=2):
        """A certificate for the names; gives its two files. Serial numbers go up from 1. With 0 days it has expired."""
        self.serial += 1
        cert, key, request = (self.path(f"{name}.{end}") for end in ("pem", "key", "csr"))
        with open(self.path("extensions"), "w", encoding="ascii") as file:
            file.write(f"subjectAltName={names}\n")
        self._openssl("req", "-new", *self._key(name), "-subj", "/CN=" + name, "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.path(self.name + ".key"), "-set_serial",
                      str(self.serial), "-days", str(days), "-extfile", "extensions", "-out", cert)
        return cert, key

    def context(self, pair=None, alpn=None):
        """What a client trusts and shows."""
        context = ssl.create_default_context(cafile=self.file)
        if pair:
            context.load_cert_chain(*pair)
        if alpn:
            context.set_alpn_protocols([alpn])
        return context


def read(path):
    with open(path, "rb") as file:
        return file.read()


def replace(source, target):
    """As a careful administrator does it: the new file takes the old one's name in one step."""
    shutil.copy(source, target + ".new")
    os.replace(target + ".new", target)
