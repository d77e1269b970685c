// The interop scenario in Java (grpc-java): one line per step, an exception at the first that fails.

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.Timestamp;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import internal.callhistory.v1.Call;
import internal.callhistory.v1.CallDirection;
import internal.callhistory.v1.CallHistoryServiceGrpc.CallHistoryServiceBlockingStub;
import internal.callhistory.v1.CallHistoryServiceGrpc;
import internal.callhistory.v1.CallIngestServiceGrpc.CallIngestServiceBlockingStub;
import internal.callhistory.v1.CallIngestServiceGrpc;
import internal.callhistory.v1.CountCallsRequest;
import internal.callhistory.v1.Disposition;
import internal.callhistory.v1.ExportCallsRequest;
import internal.callhistory.v1.GetCallRequest;
import internal.callhistory.v1.ListCallsRequest;
import internal.callhistory.v1.Money;
import internal.callhistory.v1.Party;
import internal.callhistory.v1.RecordCallResult;
import internal.callhistory.v1.RecordCallsRequest;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthGrpc.HealthBlockingStub;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.protobuf.StatusProto;
import io.grpc.reflection.v1.ServerReflectionGrpc;
import io.grpc.reflection.v1.ServerReflectionRequest;
import io.grpc.reflection.v1.ServerReflectionResponse;
import io.grpc.reflection.v1.ServiceResponse;
import io.grpc.stub.AbstractStub;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;

public final class Client {
	private static final int CALLS = 25;
	private static final String NUMBER = System.getenv("CALLHISTORY_NUMBER");
	private static final String PROJECT = System.getenv("CALLHISTORY_PROJECT_CODE");
	private static final String VBOT = System.getenv("CALLHISTORY_VBOT_ID");
	private static final Metadata.Key<String> AUTHORIZATION = Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
	private static final BufferedReader DRIVER = new BufferedReader(new InputStreamReader(System.in));

	private final CallHistoryServiceBlockingStub history;
	private final CallIngestServiceBlockingStub ingest;
	private final HealthBlockingStub health;
	private final ServerReflectionGrpc.ServerReflectionStub reflection;

	private Client(ManagedChannel channel) {
		history = CallHistoryServiceGrpc.newBlockingStub(channel);
		ingest = CallIngestServiceGrpc.newBlockingStub(channel);
		health = HealthGrpc.newBlockingStub(channel);
		reflection = ServerReflectionGrpc.newStub(channel);
	}

	private static void check(boolean good, Object what) {
		if (!good) {
			throw new AssertionError(what);
		}
	}

	private static void step(String name, String text) {
		System.out.println(name + ": " + text);
	}

	/** Has the driver do something to Redis, and returns when it is done. */
	private static void ask(String what) throws Exception {
		System.out.println("> " + what);
		check(DRIVER.readLine() != null, "the driver went away");
	}

	/** A stub with a deadline and the credentials that the variable holds. */
	private static <T extends AbstractStub<T>> T as(String variable, T stub) {
		Metadata headers = new Metadata();
		headers.put(AUTHORIZATION, "Bearer " + System.getenv(variable));
		return nobody(stub).withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
	}

	private static <T extends AbstractStub<T>> T nobody(T stub) {
		return stub.withDeadlineAfter(30, TimeUnit.SECONDS);
	}

	private CallHistoryServiceBlockingStub reader() {
		return as("CALLHISTORY_READER", history);
	}

	private static Call makeCall(int i) {
		return Call.newBuilder()
				.setId(NUMBER + "/" + i)
				.setStartTime(Timestamp.newBuilder().setSeconds(1760000000L + i))
				.setDirection(CallDirection.CALL_DIRECTION_INBOUND)
				.setDisposition(Disposition.DISPOSITION_ANSWERED)
				.setHotline("19001234")
				.setTalkSeconds(i)
				.addCallers(Party.newBuilder().setPhone(NUMBER).setCharge(Money.newBuilder().setAmount(6.1)))
				.addCallees(Party.newBuilder().setPhone("201").setMemberNo("201").setStartOffsetMs(1500))
				.addRecordings("https://recordings.example.vn/" + NUMBER + "/" + i)
				.build();
	}

	private static ListCallsRequest.Builder list() {
		return ListCallsRequest.newBuilder().setProjectCode(PROJECT).setVbotId(VBOT).setPhone(NUMBER);
	}

	private static CountCallsRequest count() {
		return CountCallsRequest.newBuilder().setProjectCode(PROJECT).setVbotId(VBOT).setPhone(NUMBER).build();
	}

	private static GetCallRequest get(String id) {
		return GetCallRequest.newBuilder().setProjectCode(PROJECT).setVbotId(VBOT).setId(id).build();
	}

	private static RecordCallsRequest.Builder record() {
		return RecordCallsRequest.newBuilder().setProjectCode(PROJECT).setVbotId(VBOT);
	}

	private void reading() {
		RecordCallsRequest.Builder request = record();
		List<Call> newestFirst = new ArrayList<>();
		for (int i = 0; i < CALLS; i++) {
			request.addCalls(makeCall(i));
			newestFirst.add(0, makeCall(i));
		}
		for (RecordCallResult.Outcome outcome : List.of(RecordCallResult.Outcome.OUTCOME_RECORDED,
				RecordCallResult.Outcome.OUTCOME_UNCHANGED)) {
			List<RecordCallResult> results = as("CALLHISTORY_WRITER", ingest).recordCalls(request.build()).getResultsList();
			check(results.size() == CALLS, results);
			for (int i = 0; i < CALLS; i++) {
				check(results.get(i).getOutcome() == outcome && results.get(i).getId().equals(NUMBER + "/" + i), results.get(i));
			}
		}
		step("record", CALLS + " recorded, then unchanged");

		long counted = reader().countCalls(count().toBuilder().setPhone("+84 " + NUMBER.substring(1)).build()).getCount();
		check(counted == CALLS, counted);
		step("count", Long.toString(counted));

		List<Call> seen = new ArrayList<>();
		List<Integer> pages = new ArrayList<>();
		for (int page = 1; page <= 4; page++) {
			List<Call> calls = reader().listCalls(list().setPage(page).setPageSize(10).build()).getCallsList();
			seen.addAll(calls);
			pages.add(calls.size());
		}
		check(pages.equals(List.of(10, 10, 5, 0)) && seen.equals(newestFirst), pages);
		step("offset", "pages of 10, 10, 5 and 0, newest first");

		seen.clear();
		String token = "";
		int turns = 0;
		do {
			var answer = reader().listCalls(list().setPageSize(7).setPageToken(token).build());
			seen.addAll(answer.getCallsList());
			token = answer.getNextPageToken();
			turns++;
		} while (!token.isEmpty() && turns <= CALLS);
		check(seen.equals(newestFirst), seen);
		step("token", seen.size() + " calls on " + turns + " pages, to the end");

		var export = ExportCallsRequest.newBuilder().setProjectCode(list().getProjectCode()).setVbotId(list().getVbotId())
				.setPhone(NUMBER).setPageSize(7).build();
		seen.clear();
		List<String> tokens = new ArrayList<>();
		reader().exportCalls(export).forEachRemaining(message -> {
			seen.addAll(message.getCallsList());
			tokens.add(message.getChangeToken());
		});
		check(seen.equals(newestFirst), seen);
		check(!tokens.get(0).isEmpty() && tokens.get(1).isEmpty(), tokens);
		step("export", seen.size() + " calls in " + tokens.size() + " messages");

		Call one = reader().getCall(get(NUMBER + "/3")).getCall();
		check(one.equals(makeCall(3)), one);
		step("get", "the call as it was recorded");
	}

	/** What an error carried. */
	private record Failure(ErrorInfo info, BadRequest bad, RetryInfo retry) {}

	/** Calls, and checks the error's code and its ErrorInfo. */
	private static Failure failure(Status.Code code, Runnable call) throws Exception {
		try {
			call.run();
		} catch (StatusRuntimeException error) {
			check(error.getStatus().getCode() == code, error);
			ErrorInfo info = null;
			BadRequest bad = null;
			RetryInfo retry = null;
			for (Any detail : StatusProto.fromThrowable(error).getDetailsList()) {
				if (detail.is(ErrorInfo.class)) {
					info = detail.unpack(ErrorInfo.class);
				} else if (detail.is(BadRequest.class)) {
					bad = detail.unpack(BadRequest.class);
				} else if (detail.is(RetryInfo.class)) {
					retry = detail.unpack(RetryInfo.class);
				}
			}
			check(info != null && info.getDomain().equals("callhistory.v1") && !info.getReason().isEmpty(), "no ErrorInfo");
			return new Failure(info, bad, retry);
		}
		throw new AssertionError(code + " wanted, not an answer");
	}

	private void errors() throws Exception {
		Failure failure = failure(Status.Code.INVALID_ARGUMENT, () -> reader().listCalls(list().setPageSize(-1).build()));
		check(failure.bad() != null && failure.bad().getFieldViolations(0).getField().equals("page_size"), failure);
		step("bad-request", failure.bad().getFieldViolations(0).getField());

		failure = failure(Status.Code.UNAUTHENTICATED, () -> nobody(history).countCalls(count()));
		step("unauthenticated", failure.info().getReason());

		failure = failure(Status.Code.PERMISSION_DENIED,
				() -> as("CALLHISTORY_READER", ingest).recordCalls(record().addCalls(makeCall(0)).build()));
		step("permission-denied", failure.info().getReason());

		failure = failure(Status.Code.NOT_FOUND, () -> reader().getCall(get("none")));
		step("not-found", failure.info().getReason());

		failure = failure(Status.Code.RESOURCE_EXHAUSTED, () -> {
			for (int i = 0; i < 100; i++) {
				as("CALLHISTORY_LIMITED", history).countCalls(count());
			}
		});
		check(failure.retry() != null, failure);
		check(failure.retry().getRetryDelay().getSeconds() > 0 || failure.retry().getRetryDelay().getNanos() > 0, failure);
		step("retry-info", failure.info().getReason() + ", with a delay");
	}

	private void reflect() throws Exception {
		BlockingQueue<Object> answers = new ArrayBlockingQueue<>(4);
		StreamObserver<ServerReflectionRequest> requests = nobody(reflection).serverReflectionInfo(new StreamObserver<>() {
			@Override
			public void onNext(ServerReflectionResponse answer) {
				answers.add(answer);
			}

			@Override
			public void onError(Throwable error) {
				answers.add(error);
			}

			@Override
			public void onCompleted() {
				answers.add("end");
			}
		});
		requests.onNext(ServerReflectionRequest.newBuilder().setListServices("").build());
		List<String> names = new ArrayList<>();
		for (ServiceResponse service : next(answers).getListServicesResponse().getServiceList()) {
			names.add(service.getName());
		}
		check(names.containsAll(List.of("callhistory.v1.CallHistoryService", "callhistory.v1.CallIngestService",
				"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")), names);
		step("reflection-list", names.size() + " services");

		requests.onNext(ServerReflectionRequest.newBuilder()
				.setFileContainingSymbol("callhistory.v1.CallHistoryService").build());
		List<String> methods = new ArrayList<>();
		for (ByteString packed : next(answers).getFileDescriptorResponse().getFileDescriptorProtoList()) {
			for (var service : FileDescriptorProto.parseFrom(packed).getServiceList()) {
				service.getMethodList().forEach(method -> methods.add(method.getName()));
			}
		}
		check(methods.containsAll(List.of("ListCalls", "CountCalls")), methods);
		requests.onCompleted();
		check("end".equals(answers.poll(30, TimeUnit.SECONDS)), "the stream did not end");
		step("reflection-describe", String.join(", ", methods));
	}

	private static ServerReflectionResponse next(BlockingQueue<Object> answers) throws Exception {
		Object answer = answers.poll(30, TimeUnit.SECONDS);
		check(answer instanceof ServerReflectionResponse, answer);
		return (ServerReflectionResponse) answer;
	}

	private void deadline() throws Exception {
		ask("redis pause");
		try {
			reader().withDeadlineAfter(300, TimeUnit.MILLISECONDS).countCalls(count());
			throw new AssertionError("answered while Redis was silent");
		} catch (StatusRuntimeException error) {
			check(error.getStatus().getCode() == Status.Code.DEADLINE_EXCEEDED, error);
		}
		ask("redis resume");
		step("deadline", "exceeded while Redis was silent");
	}

	private static HealthCheckRequest service(String name) {
		return HealthCheckRequest.newBuilder().setService(name).build();
	}

	private void checkHealth() throws Exception {
		for (String name : List.of("", "callhistory.v1.CallHistoryService", "callhistory.v1.CallIngestService")) {
			check(nobody(health).check(service(name)).getStatus() == ServingStatus.SERVING, name);
		}
		try {
			nobody(health).check(service("none"));
			throw new AssertionError("health of a service that is not there");
		} catch (StatusRuntimeException error) {
			check(error.getStatus().getCode() == Status.Code.NOT_FOUND, error);
		}
		step("health-check", "SERVING");

		Iterator<HealthCheckResponse> watch = nobody(health).watch(service("callhistory.v1.CallHistoryService"));
		check(watch.next().getStatus() == ServingStatus.SERVING, "Watch: at first");
		ask("redis stop");
		check(watch.next().getStatus() == ServingStatus.NOT_SERVING, "Watch: without Redis");
		ask("redis start");
		check(watch.next().getStatus() == ServingStatus.SERVING, "Watch: with Redis again");
		step("health-watch", "SERVING, NOT_SERVING without Redis, SERVING");
	}

	public static void main(String[] arguments) throws Exception {
		ManagedChannel channel =
				Grpc.newChannelBuilder(System.getenv("CALLHISTORY_SERVICE"), InsecureChannelCredentials.create()).build();
		try {
			Client client = new Client(channel);
			client.reading();
			client.errors();
			client.reflect();
			client.deadline();
			client.checkHealth();
		} finally {
			channel.shutdownNow().awaitTermination(10, TimeUnit.SECONDS);
		}
	}
}
