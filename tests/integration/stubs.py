"""Python code of proto/, made as a client would make it, for all tests that speak gRPC.

    import stubs
    stubs.history.CountCallsRequest(...)
"""

import atexit
import itertools
import os
import shutil
import sys
import tempfile

# The client library's own words about refused handshakes are of no use here.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc  # noqa: E402
from grpc_tools import protoc  # noqa: E402

import harness  # noqa: E402

FILES = ["callhistory/v1/call.proto", "callhistory/v1/call_history_service.proto", "callhistory/v1/call_ingest_service.proto",
         "grpc/health/v1/health.proto", "google/rpc/status.proto", "google/rpc/error_details.proto"]


def _generate():
    folder = tempfile.mkdtemp(prefix="callhistory-proto-")
    atexit.register(shutil.rmtree, folder, True)
    proto = os.path.join(harness.SOURCE, "proto")
    include = os.path.join(os.path.dirname(protoc.__file__), "_proto")
    status = protoc.main(["protoc", f"-I{proto}", f"-I{include}", f"--python_out={folder}", f"--grpc_python_out={folder}", *FILES])
    assert status == 0
    # The library's own package is called grpc too: its folder of generated code becomes part of that package.
    grpc.__path__.append(os.path.join(folder, "grpc"))
    try:
        import google
        google.__path__ = [*google.__path__, os.path.join(folder, "google")]
    except ImportError:
        pass
    sys.path.insert(0, folder)


_generate()
from callhistory.v1 import call_history_service_pb2 as history  # noqa: E402
from callhistory.v1 import call_history_service_pb2_grpc as history_grpc  # noqa: E402
from callhistory.v1 import call_ingest_service_pb2 as ingest  # noqa: E402
from callhistory.v1 import call_ingest_service_pb2_grpc as ingest_grpc  # noqa: E402
from callhistory.v1 import call_pb2  # noqa: E402
from google.rpc import error_details_pb2 as error_details  # noqa: E402
from google.rpc import status_pb2 as rpc_status  # noqa: E402
from grpc.health.v1 import health_pb2 as health  # noqa: E402
from grpc.health.v1 import health_pb2_grpc as health_grpc  # noqa: E402

SERVING, NOT_SERVING = health.HealthCheckResponse.SERVING, health.HealthCheckResponse.NOT_SERVING


def channel(address, credentials=None, *options):
    """A channel on a connection of its own: channels of one process share one otherwise."""
    options = [("grpc.use_local_subchannel_pool", 1), *options]
    return grpc.secure_channel(address, credentials, options) if credentials else grpc.insecure_channel(address, options)


def serving(address, service="", credentials=None):
    """Whether health says SERVING; False where nobody answers, too."""
    with channel(address, credentials) as made:
        try:
            answer = health_grpc.HealthStub(made).Check(health.HealthCheckRequest(service=service), timeout=5)
            return answer.status == SERVING
        except grpc.RpcError:
            return False


def details(error):
    """The google.rpc details of an error by their short type name."""
    found = {}
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for item in rpc_status.Status.FromString(value).details:
                name = item.type_url.rpartition(".")[2]
                found[name] = getattr(error_details, name).FromString(item.value)
    return found


def record(stack, calls):
    """Records calls, a few at a time, so that big ones make no big request."""
    calls = iter(calls)
    tenant = {"project_code": harness.PROJECT, "vbot_id": harness.VBOT}
    metadata = [("authorization", "Bearer " + stack.token("writer"))]
    with channel(stack.service_address) as made:
        ingest_stub = ingest_grpc.CallIngestServiceStub(made)
        while group := list(itertools.islice(calls, 4)):
            request = ingest.RecordCallsRequest(calls=group, **tenant)
            results = ingest_stub.RecordCalls(request, metadata=metadata, timeout=harness.WAIT_SECONDS).results
            assert {result.outcome for result in results} == {ingest.RecordCallResult.OUTCOME_RECORDED}, results


def call(number, second, **more):
    """A small inbound call of `number`."""
    made = call_pb2.Call(id=f"{number}/{second}", direction=call_pb2.CALL_DIRECTION_INBOUND, disposition=call_pb2.DISPOSITION_ANSWERED,
                         **more)
    made.start_time.seconds = 1760000000 + second
    made.callers.add(phone=number)
    return made
