"""A proxy between two programs whose connections can be cut, held, delayed and slowed."""

import socket
import threading
import time

import harness

PIECE = 512


class FaultWire(harness.Wire):
    def __init__(self, port):
        self.held, self.delay_s, self.slow, self.instead = False, 0, False, b""
        self.lock, self.ended = threading.Lock(), set()
        super().__init__(port)

    def cut(self):
        for one in list(self.sockets):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def heal(self):
        self.held, self.delay_s, self.slow, self.instead = False, 0, False, b""

    def _send(self, target, data):
        """Slow: some 100 KB a second, in pieces."""
        step = PIECE if self.slow else len(data)
        for at in range(0, len(data), step):
            if self.slow:
                time.sleep(0.005)
            target.sendall(data[at:at + step])

    def _pass_on(self, source, target):
        try:
            while data := source.recv(65536):
                if self.delay_s:
                    time.sleep(self.delay_s)
                while self.held:
                    time.sleep(0.01)
                if self.instead and source.getpeername()[1] == self.target:  # of a reply
                    data = self.instead
                self._send(target, data)
        except OSError:
            pass
        # Whoever ends, ends both: no program of ours closes one side only. The second to end closes, as nobody uses them then.
        for one in (source, target):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        with self.lock:
            if target in self.ended:
                self.ended.remove(target)
                self.sockets = [one for one in self.sockets if one not in (source, target)]
                source.close()
                target.close()
            else:
                self.ended.add(source)
