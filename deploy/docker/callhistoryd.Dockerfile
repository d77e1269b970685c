# callhistoryd: the gRPC service of Call History
#   docker build -f deploy/docker/callhistoryd.Dockerfile -t callhistory/callhistoryd:0.1.0 .
# The build stage is the same in every Dockerfile of this folder, so it is built once.
FROM debian:12-slim AS build
WORKDIR /src
COPY deploy/local/install deploy/local/install
RUN deploy/local/install build
COPY CMakeLists.txt CMakePresets.json ./
COPY cmake cmake
COPY proto proto
COPY services services
COPY gateway gateway
RUN cmake --preset release -DBUILD_TESTING=OFF \
	&& cmake --build --preset release \
	&& cmake --install build/release --prefix /out --strip

FROM debian:12-slim
# What the program is linked with; callhistoryctl stands beside it, where Redis can be reached, to issue tokens.
RUN apt-get update \
	&& apt-get install -y --no-install-recommends libc-ares2 libgrpc29 libhiredis0.14 libmicrohttpd12 libnettle8 libprotobuf-c1 libssl3 tzdata zlib1g \
	&& rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log
COPY --from=build /out/bin/callhistoryd /out/bin/callhistoryctl /usr/local/bin/
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="callhistoryd" \
	org.opencontainers.image.description="the gRPC service of Call History" \
	org.opencontainers.image.version="$VERSION" \
	org.opencontainers.image.revision="$REVISION" \
	org.opencontainers.image.licenses="Apache-2.0" \
	org.opencontainers.image.base.name="docker.io/library/debian:12-slim"
USER 65532:65532
# In a container the loopback serves nobody.
ENV CALLHISTORY_LISTEN=0.0.0.0:50051 CALLHISTORY_METRICS=0.0.0.0:9464
EXPOSE 50051 9464
ENTRYPOINT ["/usr/local/bin/callhistoryd"]
