# The compatibility suite with Kafka's own tools and broker, assembled from Maven Central:
#
#   docker build -f docker/compat.Dockerfile -t ottla-compat .
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends default-jdk-headless maven python3 && rm -rf /var/lib/apt/lists/*
COPY compat/jvm /ottla/compat/jvm
RUN /ottla/compat/jvm/install.sh
COPY compat /ottla/compat
# Its programs are compiled into compat/.work at the first run, by whichever user runs it.
RUN useradd --uid 1000 runner && chown -R runner /ottla/compat/.work
USER runner
ENTRYPOINT ["/ottla/compat/run.sh"]
CMD ["official-tools"]
