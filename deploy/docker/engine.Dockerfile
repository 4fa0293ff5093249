# The engine: `mmrag serve`, with /mcp. From the repository's root:
#   docker build -f deploy/docker/engine.Dockerfile --target cpu -t mmrag-engine:0.1.0 .
#   docker build -f deploy/docker/engine.Dockerfile --target gpu -t mmrag-engine:0.1.0-gpu .
# For the small image let PIP_EXTRA_INDEX_URL name PyTorch's index of CPU wheels:
#   --build-arg PIP_EXTRA_INDEX_URL=...
ARG PYTHON=3.11.14-slim-bookworm

# What is installed is compiled here and copied: no pip cache, no build tool in the image that runs.
FROM python:${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/mmrag
WORKDIR /src
COPY constraints.txt pyproject.toml README.md LICENSE ./
# Dependencies in a layer of their own: a change of the code does not install them again.
COPY mmrag/__init__.py mmrag/
COPY bots/__init__.py bots/

FROM build AS build-cpu
ARG PIP_EXTRA_INDEX_URL=""
RUN /opt/mmrag/bin/pip install -c constraints.txt ".[serve,mcp,openai]"
COPY mmrag mmrag
COPY bots bots
RUN /opt/mmrag/bin/pip install --no-deps --force-reinstall . && /opt/mmrag/bin/mmrag --version

FROM build AS build-gpu
# PyTorch and FAISS bring CUDA along as wheels: of the machine only the driver is needed.
RUN /opt/mmrag/bin/pip install -c constraints.txt ".[gpu,quantised,http,mcp,openai]" "faiss-gpu==1.15.1"
COPY mmrag mmrag
COPY bots bots
RUN /opt/mmrag/bin/pip install --no-deps --force-reinstall . && /opt/mmrag/bin/mmrag --version

FROM python:${PYTHON} AS run
RUN groupadd --gid 10001 mmrag \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/mmrag --shell /usr/sbin/nologin mmrag \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/mmrag /var/backups/mmrag
COPY --chmod=0755 deploy/docker/health.py /usr/local/bin/mmrag-health
# HF_HUB_OFFLINE: nothing is fetched while it runs; a named model lies in HF_HOME or a mounted folder.
ENV PATH=/opt/mmrag/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HF_HUB_OFFLINE=1 \
    HF_HOME=/var/lib/mmrag/models/hub \
    MMRAG_HOME=/var/lib/mmrag \
    MMRAG_SERVE_HOST=0.0.0.0 \
    MMRAG_SERVE_PORT=8000 \
    MMRAG_LOG_LEVEL=INFO
USER 10001:10001
WORKDIR /var/lib/mmrag
VOLUME ["/var/lib/mmrag", "/var/backups/mmrag"]
EXPOSE 8000
# The first start converts the embedding model.
HEALTHCHECK --interval=15s --timeout=5s --start-period=180s --retries=3 CMD ["mmrag-health", "engine"]
ENTRYPOINT ["mmrag"]
CMD ["serve"]

FROM run AS gpu
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=build-gpu /opt/mmrag /opt/mmrag

FROM run AS cpu
COPY --from=build-cpu /opt/mmrag /opt/mmrag
