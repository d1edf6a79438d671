# Headwall as an image. CI does not build this file.
#
#   docker build --tag headwall .
#   docker run --read-only --cap-drop ALL --volume ./headwall.yaml:/etc/headwall/headwall.yaml:ro \
#     --volume headwall:/var/lib/headwall --publish 80:8080 --publish 443:8443 headwall
#
# The config has to listen on every address, such as "[::]:8080" and "[::]:8443": 127.0.0.1 inside a container is the
# container's own.

FROM rust:1.95-slim-bookworm AS build
# cmake and a C compiler: for zlib-ng, zstd, ring and jemalloc.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential cmake \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package headwall-server

FROM debian:12-slim
# The roots by which CAs and upstreams are believed.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/headwall /usr/local/bin/headwall
# Certificates, keys and accounts: Headwall's storage is below the data directory of a user that is not root.
RUN install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/headwall
ENV XDG_DATA_HOME=/var/lib
VOLUME /var/lib/headwall
# A user that exists nowhere else. Nothing else is written but the access log, to standard output.
USER 10001:10001
EXPOSE 8080 8443
STOPSIGNAL SIGTERM
# /livez and not /readyz: a container that is started again does not mend the app behind it. The image has no curl;
# bash can speak to the admin listener, as long as that is at its default address.
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9180 && printf 'GET /livez HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]
ENTRYPOINT ["/usr/local/bin/headwall"]
CMD ["run", "--config", "/etc/headwall/headwall.yaml"]
