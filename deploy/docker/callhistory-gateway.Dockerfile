# callhistory-gateway: the documented HTTP-JSON contract of Call History
#   docker build -f deploy/docker/callhistory-gateway.Dockerfile -t callhistory/callhistory-gateway:0.1.0 .
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
# What the program is linked with, and the time zones.
RUN apt-get update \
	&& apt-get install -y --no-install-recommends libgrpc29 libnettle8 libprotobuf-c1 libssl3 tzdata zlib1g \
	&& rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log
COPY --from=build /out/bin/callhistory-gateway /usr/local/bin/
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="callhistory-gateway" \
	org.opencontainers.image.description="the documented HTTP-JSON contract of Call History" \
	org.opencontainers.image.version="$VERSION" \
	org.opencontainers.image.revision="$REVISION" \
	org.opencontainers.image.licenses="Apache-2.0" \
	org.opencontainers.image.base.name="docker.io/library/debian:12-slim"
USER 65532:65532
# In a container the loopback serves nobody.
ENV CALLHISTORY_LISTEN=0.0.0.0:8080
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/callhistory-gateway"]
