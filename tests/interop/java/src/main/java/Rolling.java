// Calls without a pause through rolling restarts (grpc-java): a client as it is by default, which has no retryPolicy.
// Prints each call that failed, and at the end how many there were.

import internal.callhistory.v1.CallHistoryServiceGrpc;
import internal.callhistory.v1.CountCallsRequest;
import io.grpc.EquivalentAddressGroup;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.NameResolverRegistry;
import io.grpc.StatusOr;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.MetadataUtils;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

public final class Rolling {
	private static final int WORKERS = 8; // per channel
	private static final int EXPECTED = 25;

	/** Names all services, as a name with several addresses would. */
	private static final class Services extends NameResolverProvider {
		@Override
		protected boolean isAvailable() {
			return true;
		}

		@Override
		protected int priority() {
			return 5;
		}

		@Override
		public String getDefaultScheme() {
			return "rolling";
		}

		@Override
		public NameResolver newNameResolver(URI target, NameResolver.Args arguments) {
			if (!"rolling".equals(target.getScheme())) {
				return null;
			}
			return new NameResolver() {
				@Override
				public String getServiceAuthority() {
					return "services";
				}

				@Override
				public void start(Listener2 listener) {
					List<EquivalentAddressGroup> groups = new ArrayList<>();
					for (String address : System.getenv("CALLHISTORY_SERVICES").split(",")) {
						String[] parts = address.split(":");
						groups.add(new EquivalentAddressGroup(new InetSocketAddress(parts[0], Integer.parseInt(parts[1]))));
					}
					listener.onResult(ResolutionResult.newBuilder().setAddressesOrError(StatusOr.fromValue(groups)).build());
				}

				@Override
				public void shutdown() {
				}
			};
		}
	}

	public static void main(String[] arguments) throws Exception {
		long calls = Long.parseLong(System.getenv("CALLHISTORY_CALLS"));
		NameResolverRegistry.getDefaultRegistry().register(new Services());
		Metadata headers = new Metadata();
		headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER),
				"Bearer " + System.getenv("CALLHISTORY_READER"));
		CountCallsRequest request = CountCallsRequest.newBuilder().setPhone(System.getenv("CALLHISTORY_NUMBER")).build();
		AtomicLong started = new AtomicLong();
		AtomicLong answered = new AtomicLong();
		AtomicLong lost = new AtomicLong();
		List<Thread> threads = new ArrayList<>();
		List<ManagedChannel> channels = new ArrayList<>();
		for (String policy : new String[] {"pick_first", "round_robin"}) {
			ManagedChannel channel = Grpc.newChannelBuilder("rolling:///services", InsecureChannelCredentials.create())
					.defaultLoadBalancingPolicy(policy).build();
			channels.add(channel);
			var history = CallHistoryServiceGrpc.newBlockingStub(channel)
					.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
			for (int i = 0; i < WORKERS; i++) {
				threads.add(new Thread(() -> {
					while (started.incrementAndGet() <= calls) {
						try {
							long count = history.withDeadlineAfter(30, TimeUnit.SECONDS).countCalls(request).getCount();
							(count == EXPECTED ? answered : lost).incrementAndGet();
						} catch (StatusRuntimeException why) {
							lost.incrementAndGet();
							System.out.println("lost: " + why);
						}
					}
				}));
			}
		}
		for (Thread thread : threads) {
			thread.start();
		}
		for (Thread thread : threads) {
			thread.join();
		}
		for (ManagedChannel channel : channels) {
			channel.shutdownNow();
		}
		System.out.println(answered.get() + " answered, " + lost.get() + " lost");
	}
}
