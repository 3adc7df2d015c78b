# Chargebook: built in one stage, run in another that has nothing to build with.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked --package chargebook

FROM debian:bookworm-slim
# The roots for those who are asked over TLS, and what the health check asks with.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --create-home chargebook
COPY --from=build /source/target/release/chargebook /usr/local/bin/chargebook
USER 10001
WORKDIR /data
ENV CHARGEBOOK_DATA=/data \
    CHARGEBOOK_OCPP=0.0.0.0:9000 \
    CHARGEBOOK_HTTP=0.0.0.0:8080
VOLUME /data
EXPOSE 9000 8080
# A server that builds its read models again is live and not yet ready: it is given time for it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10m --retries=3 \
    CMD ["curl", "--fail", "--silent", "--show-error", "http://127.0.0.1:8080/health/ready"]
ENTRYPOINT ["chargebook"]
CMD ["serve"]
