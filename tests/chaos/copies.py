"""Copies of a tenant's calls, as systems behind a call history keep them: a follower of changes, which has all of them; one
that lists the newest calls until it knows one, which misses the late, the replaced and the deleted; and exports over and over."""

import grpc

import harness
import ledger
import stubs

PAGE = 40  # changes; fewer than a busy moment has
NEWEST = 20
DEADLINE_S = 3
TENANT = {"project_code": harness.PROJECT, "vbot_id": harness.VBOT}


class Copy:
    def __init__(self, history, token):
        """history: makes a context with a stub."""
        self.history, self.metadata, self.calls, self.restarts = history, [("authorization", "Bearer " + token)], {}, 0

    def ask(self, method, **fields):
        with self.history() as stub:
            request = getattr(stubs.history, method + "Request")(**fields, **TENANT)
            return getattr(stub, method)(request, timeout=DEADLINE_S, metadata=self.metadata)

    def complete(self):
        self.update()

    def differences(self, versions):
        """versions: of the stored calls, by id."""
        return [f"{call_id}: {self.calls.get(call_id)}, not {versions.get(call_id)}" for call_id in self.calls.keys() | versions.keys()
                if self.calls.get(call_id) != versions.get(call_id)]


class Follower(Copy):
    name, change_token = "follower", ""

    def begin(self):
        """As the description of ListCallChanges says."""
        change_token = self.ask("ListCallChanges").next_change_token
        calls, page_token = {}, ""
        while True:
            page = self.ask("ListCalls", page_size=1000, page_token=page_token)
            calls.update((call.id, ledger.version_of(call)) for call in page.calls)
            page_token = page.next_page_token
            if not page_token:
                break
        self.calls, self.change_token = calls, change_token

    def update(self):
        if not self.change_token:
            self.begin()
        more = True
        while more:
            try:
                answer = self.ask("ListCallChanges", change_token=self.change_token, page_size=PAGE)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.FAILED_PRECONDITION:
                    raise
                self.restarts += 1  # a failover lost what nobody had acknowledged
                self.begin()
                continue
            for change in answer.changes:
                if change.deleted_id:
                    self.calls.pop(change.deleted_id, None)
                else:
                    self.calls[change.call.id] = ledger.version_of(change.call)
            self.change_token, more = answer.next_change_token, answer.more


class Exporter(Follower):
    """Makes its copy anew all the time, by an export of which each update takes one message and breaks the stream, and by the changes
    since its beginning: so the export lasts over faults, while calls come and go."""
    name, page_token = "exporter", ""

    def begin(self):
        """As the description of ExportCalls says."""
        request = stubs.history.ExportCallsRequest(page_size=PAGE, page_token=self.page_token, **TENANT)
        with self.history() as stub:
            stream = stub.ExportCalls(request, timeout=DEADLINE_S, metadata=self.metadata)
            message = next(stream)
            stream.cancel()
        if message.change_token:
            self.begun, self.begun_token = {}, message.change_token
        self.begun.update((call.id, ledger.version_of(call)) for call in message.calls)
        self.page_token = message.next_page_token
        if not self.page_token:
            self.calls, self.change_token = self.begun, self.begun_token

    def update(self):
        if self.change_token:
            super().update()
            self.change_token = ""
            self.restarts += 1
        else:
            self.begin()

    def complete(self):
        while not self.change_token:
            self.begin()
        super().update()


class Poller(Copy):
    name = "poller"

    def update(self):
        fresh, page_token, known = {}, "", False
        while not known:
            page = self.ask("ListCalls", page_size=NEWEST, page_token=page_token)
            for call in page.calls:
                known = known or call.id in self.calls
                if not known:
                    fresh[call.id] = ledger.version_of(call)
            page_token = page.next_page_token
            known = known or not page_token
        self.calls.update(fresh)
