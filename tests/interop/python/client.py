"""The interop scenario in Python (grpcio): one line per step, an exception at the first that fails."""

import os
import sys

import grpc
from google.protobuf import descriptor_pool
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

from callhistory.v1 import call_history_service_pb2 as history_pb2
from callhistory.v1 import call_history_service_pb2_grpc as history_grpc
from callhistory.v1 import call_ingest_service_pb2 as ingest_pb2
from callhistory.v1 import call_ingest_service_pb2_grpc as ingest_grpc
from callhistory.v1 import call_pb2

CALLS = 25
NUMBER = os.environ["CALLHISTORY_NUMBER"]
TENANT = {"project_code": os.environ["CALLHISTORY_PROJECT_CODE"], "vbot_id": os.environ["CALLHISTORY_VBOT_ID"]}


def check(good, what):
    if not good:
        raise AssertionError(what)


def step(name, text):
    print(f"{name}: {text}", flush=True)


def ask(what):
    """Has the driver do something to Redis, and returns when it is done."""
    print("> " + what, flush=True)
    check(sys.stdin.readline(), "the driver went away")


def bearer(variable):
    return {"metadata": [("authorization", "Bearer " + os.environ[variable])], "timeout": 30}


READER, WRITER, LIMITED = bearer("CALLHISTORY_READER"), bearer("CALLHISTORY_WRITER"), bearer("CALLHISTORY_LIMITED")
NOBODY = {"timeout": 30}


def make_call(i):
    return call_pb2.Call(
        id=f"{NUMBER}/{i}",
        start_time={"seconds": 1760000000 + i},
        direction=call_pb2.CALL_DIRECTION_INBOUND,
        disposition=call_pb2.DISPOSITION_ANSWERED,
        hotline="19001234",
        talk_seconds=i,
        callers=[{"phone": NUMBER, "charge": {"amount": 6.1}}],
        callees=[{"phone": "201", "member_no": "201", "start_offset_ms": 1500}],
        recordings=[f"https://recordings.example.vn/{NUMBER}/{i}"],
    )


def failure(code, method, request, **credentials):
    """Calls, checks the error's code and its ErrorInfo, and gives the details by the name of their type."""
    try:
        answer = method(request, **credentials)
    except grpc.RpcError as error:
        check(error.code() == code, f"{code} wanted, not {error.code()}: {error.details()}")
        details = {}
        for detail in rpc_status.from_call(error).details:
            name = detail.TypeName().removeprefix("google.rpc.")
            details[name] = getattr(error_details_pb2, name)()
            check(detail.Unpack(details[name]), name)
        info = details.get("ErrorInfo")
        check(info and info.domain == "callhistory.v1" and info.reason, f"no ErrorInfo, but {details}")
        return details
    raise AssertionError(f"{code} wanted, not {answer}")


def reading(history, ingest):
    request = ingest_pb2.RecordCallsRequest(calls=[make_call(i) for i in range(CALLS)], **TENANT)
    for outcome in ("OUTCOME_RECORDED", "OUTCOME_UNCHANGED"):
        results = ingest.RecordCalls(request, **WRITER).results
        wanted = [(f"{NUMBER}/{i}", getattr(ingest_pb2.RecordCallResult, outcome)) for i in range(CALLS)]
        check([(r.id, r.outcome) for r in results] == wanted, results)
    step("record", f"{CALLS} recorded, then unchanged")

    count = history.CountCalls(history_pb2.CountCallsRequest(phone="+84 " + NUMBER[1:], **TENANT), **READER).count
    check(count == CALLS, count)
    step("count", count)

    def list_calls(**more):
        return history.ListCalls(history_pb2.ListCallsRequest(phone=NUMBER, **TENANT, **more), **READER)

    newest_first = [make_call(i) for i in reversed(range(CALLS))]
    pages = [list_calls(page=page, page_size=10).calls for page in (1, 2, 3, 4)]
    check([len(page) for page in pages] == [10, 10, 5, 0], "pages")
    check([call for page in pages for call in page] == newest_first, "order")
    step("offset", "pages of 10, 10, 5 and 0, newest first")

    seen, token, turns = [], "", 0
    while turns <= CALLS:
        answer = list_calls(page_size=7, page_token=token)
        seen += answer.calls
        turns += 1
        token = answer.next_page_token
        if not token:
            break
    check(seen == newest_first, "by token")
    step("token", f"{len(seen)} calls on {turns} pages, to the end")

    messages = list(history.ExportCalls(history_pb2.ExportCallsRequest(phone=NUMBER, page_size=7, **TENANT), **READER))
    check([call for message in messages for call in message.calls] == newest_first, "by export")
    check([bool(message.change_token) for message in messages] == [True, False, False, False], "change_token")
    step("export", f"{len(newest_first)} calls in {len(messages)} messages")

    one = history.GetCall(history_pb2.GetCallRequest(id=f"{NUMBER}/3", **TENANT), **READER).call
    check(one == make_call(3), one)
    step("get", "the call as it was recorded")


def errors(history, ingest):
    code = grpc.StatusCode
    details = failure(code.INVALID_ARGUMENT, history.ListCalls, history_pb2.ListCallsRequest(page_size=-1, **TENANT), **READER)
    field = details["BadRequest"].field_violations[0].field
    check(field == "page_size", details)
    step("bad-request", field)

    count = history_pb2.CountCallsRequest(phone=NUMBER, **TENANT)
    step("unauthenticated", failure(code.UNAUTHENTICATED, history.CountCalls, count, **NOBODY)["ErrorInfo"].reason)

    request = ingest_pb2.RecordCallsRequest(calls=[make_call(0)], **TENANT)
    step("permission-denied", failure(code.PERMISSION_DENIED, ingest.RecordCalls, request, **READER)["ErrorInfo"].reason)

    request = history_pb2.GetCallRequest(id="none", **TENANT)
    step("not-found", failure(code.NOT_FOUND, history.GetCall, request, **READER)["ErrorInfo"].reason)

    def until_refused(request, **credentials):
        for _ in range(100):
            history.CountCalls(request, **credentials)

    details = failure(code.RESOURCE_EXHAUSTED, until_refused, count, **LIMITED)
    check(details["RetryInfo"].retry_delay.ToMilliseconds() > 0, details)
    step("retry-info", details["ErrorInfo"].reason + ", with a delay")


def reflection(channel):
    database = ProtoReflectionDescriptorDatabase(channel)
    names = database.get_services()
    for name in ("callhistory.v1.CallHistoryService", "callhistory.v1.CallIngestService", "grpc.health.v1.Health",
                 "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"):
        check(name in names, f"{name} is not among {names}")
    step("reflection-list", f"{len(names)} services")

    service = descriptor_pool.DescriptorPool(database).FindServiceByName("callhistory.v1.CallHistoryService")
    check("page_token" in service.methods_by_name["ListCalls"].input_type.fields_by_name, "ListCallsRequest")
    step("reflection-describe", ", ".join(service.methods_by_name))


def deadline(history):
    ask("redis pause")
    try:
        history.CountCalls(history_pb2.CountCallsRequest(phone=NUMBER, **TENANT), **{**READER, "timeout": 0.3})
        raise AssertionError("answered while Redis was silent")
    except grpc.RpcError as error:
        check(error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error)
    ask("redis resume")
    step("deadline", "exceeded while Redis was silent")


def health(stub):
    status = health_pb2.HealthCheckResponse
    for name in ("", "callhistory.v1.CallHistoryService", "callhistory.v1.CallIngestService"):
        check(stub.Check(health_pb2.HealthCheckRequest(service=name), **NOBODY).status == status.SERVING, name)
    try:
        stub.Check(health_pb2.HealthCheckRequest(service="none"), **NOBODY)
        raise AssertionError("health of a service that is not there")
    except grpc.RpcError as error:
        check(error.code() == grpc.StatusCode.NOT_FOUND, error)
    step("health-check", "SERVING")

    watch = stub.Watch(health_pb2.HealthCheckRequest(service="callhistory.v1.CallHistoryService"), **NOBODY)
    check(next(watch).status == status.SERVING, "Watch: at first")
    ask("redis stop")
    check(next(watch).status == status.NOT_SERVING, "Watch: without Redis")
    ask("redis start")
    check(next(watch).status == status.SERVING, "Watch: with Redis again")
    watch.cancel()
    step("health-watch", "SERVING, NOT_SERVING without Redis, SERVING")


def main():
    with grpc.insecure_channel(os.environ["CALLHISTORY_SERVICE"]) as channel:
        history, ingest = history_grpc.CallHistoryServiceStub(channel), ingest_grpc.CallIngestServiceStub(channel)
        reading(history, ingest)
        errors(history, ingest)
        reflection(channel)
        deadline(history)
        health(health_pb2_grpc.HealthStub(channel))


if __name__ == "__main__":
    main()
