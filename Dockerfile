# The production image: what `replayport` needs to run against servers. The embedded engine (chdb, 540 MB) is not in it.
# docker build --build-arg VERSION=0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" -t replayport .
ARG NODE=24-slim

# What runs: exact versions from the lock file, without what builds, tests, or is optional.
FROM node:${NODE} AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

# What builds: the compiler's program for this platform is an optional package, and so is the engine. It ends here.
FROM node:${NODE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY destinations destinations
RUN npm run build

FROM node:${NODE}
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Replayport" \
      org.opencontainers.image.description="PostHog session replay metadata from ClickHouse to a lake or a warehouse" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Files are staged in the volume: an image's own layers are slow to write to, and may be read-only.
ENV NODE_ENV=production \
    REPLAYPORT_STAGE_DIR=/var/lib/replayport/stage
WORKDIR /app
COPY package.json LICENSE ./
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/dist dist
RUN ln -s /app/dist/src/cli/main.js /usr/local/bin/replayport \
    && chmod +x dist/src/cli/main.js \
    && install -d /etc/replayport \
    && install -d -o 1000 -g 1000 -m 700 /var/lib/replayport /var/lib/replayport/stage
# The config is looked for here: mount schedules.yaml into it. Nothing writes to it.
WORKDIR /etc/replayport
# The image's user `node`, by its number, so that Kubernetes can see that it is not root.
USER 1000:1000
EXPOSE 8080
# The process lives and its event loop turns. Not /readyz: a Redis that is away is waited for, not cured by a restart.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(process.env.REPLAYPORT_HEALTH_URL ?? 'http://127.0.0.1:8080/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Node itself, so that SIGTERM reaches it: running batches are finished or handed back.
ENTRYPOINT ["node", "/app/dist/src/cli/main.js"]
CMD ["serve", "--http", "0.0.0.0:8080"]
