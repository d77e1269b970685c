"""Calls without a pause through rolling restarts (grpcio): a client as it is by default, which has no retryPolicy.

Prints each call that failed, and at the end how many there were.
"""

import itertools
import os
import threading

import grpc

from callhistory.v1 import call_history_service_pb2 as history_pb2
from callhistory.v1 import call_history_service_pb2_grpc as history_grpc

WORKERS = 4  # per channel
EXPECTED = 25
CALLS = int(os.environ["CALLHISTORY_CALLS"])

started, answered, lost = itertools.count(), itertools.count(), itertools.count()


def work(channel):
    history = history_grpc.CallHistoryServiceStub(channel)
    metadata = [("authorization", "Bearer " + os.environ["CALLHISTORY_READER"])]
    request = history_pb2.CountCallsRequest(phone=os.environ["CALLHISTORY_NUMBER"])
    while next(started) < CALLS:
        try:
            why = history.CountCalls(request, metadata=metadata, timeout=30).count
        except grpc.RpcError as error:
            why = error
        if why == EXPECTED:
            next(answered)
        else:
            next(lost)
            print("lost:", why, flush=True)


channels = [grpc.insecure_channel("ipv4:" + os.environ["CALLHISTORY_SERVICES"], [("grpc.use_local_subchannel_pool", 1), *more])
            for more in ([], [("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}')])]
threads = [threading.Thread(target=work, args=(channel,)) for channel in channels for _ in range(WORKERS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for channel in channels:
    channel.close()
print(f"{next(answered)} answered, {next(lost)} lost")
