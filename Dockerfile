# One image for every process of the service: the API by default, the worker and the simulator by another command.
# Node runs the TypeScript sources as they are, so nothing is compiled.
FROM node:24-slim AS packages
WORKDIR /app
# The manifests alone, so that the packages are installed anew only when one of these changes.
COPY package.json package-lock.json ./
COPY apps/api/package.json apps/api/
COPY apps/worker/package.json apps/worker/
COPY apps/audit/package.json apps/audit/
COPY packages/shared/package.json packages/shared/
COPY packages/simulator/package.json packages/simulator/
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
    --workspace @darkroom/api --workspace @darkroom/worker --workspace @darkroom/audit --workspace @darkroom/simulator

FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /app
# node_modules/@darkroom holds links to the workspaces; COPY of a whole folder keeps them as links.
COPY --from=packages /app ./
COPY apps/api/src apps/api/src
COPY apps/worker/src apps/worker/src
COPY apps/audit/src apps/audit/src
COPY packages/shared/src packages/shared/src
COPY packages/simulator/src packages/simulator/src
# The default places on disk are under ./data. A volume mounted on the spool takes over its owner.
RUN mkdir -p data/spool && chown -R node:node data
USER node
EXPOSE 3000
# API and worker answer /livez on $PORT.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.PORT || 3000) + '/livez').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "apps/api/src/main.ts"]
