# The broker and the command line on Debian 12: built in the first stage, with what they need to run in the second.
FROM debian:bookworm-slim AS build
WORKDIR /src
COPY scripts/install-deps.sh scripts/install-deps.sh
RUN scripts/install-deps.sh build
COPY . .
RUN scripts/build.sh release \
 && strip -o /usr/local/bin/sluiced build/release/bin/sluiced \
 && strip -o /usr/local/bin/sluice build/release/bin/sluice

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      libabsl20220623 libisal2 liblz4-1 libnuma1 libprotobuf-lite32 libsnappy1v5 libstdc++6 liburing2 \
      libyaml-cpp0.7 libzstd1 zlib1g \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /var/lib/sluice --create-home sluice
COPY --from=build /usr/local/bin/sluiced /usr/local/bin/sluice /usr/local/bin/
USER sluice
WORKDIR /var/lib/sluice
VOLUME /var/lib/sluice
EXPOSE 9092 9644
# Healthy once it is ready: it has recovered, is counted on, and its replicas are in sync. A rolling restart waits for it.
HEALTHCHECK --interval=2s --timeout=3s --start-period=60s CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9644 && printf 'GET /ready HTTP/1.1\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r line <&3 && [[ $line == *' 200 '* ]]"]
ENTRYPOINT ["sluiced"]
CMD ["--data", "/var/lib/sluice", "--listen", "0.0.0.0:9092", "--admin", "0.0.0.0:9644", "--set", "advertised=localhost:9092"]
