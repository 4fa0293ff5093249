# A bot that asks an engine elsewhere: no model, no torch. From the repository's root:
#   docker build -f deploy/docker/bots.Dockerfile -t mmrag-bots:0.1.0 .
ARG PYTHON=3.11.14-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/mmrag
WORKDIR /src
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY mmrag/__init__.py mmrag/
COPY bots/__init__.py bots/
RUN /opt/mmrag/bin/pip install -c constraints.txt ".[slack,discord,remote]"
COPY mmrag mmrag
COPY bots bots
RUN /opt/mmrag/bin/pip install --no-deps --force-reinstall . && /opt/mmrag/bin/python -m bots --help

FROM python:${PYTHON}
RUN groupadd --gid 10001 mmrag \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/mmrag --shell /usr/sbin/nologin mmrag \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/mmrag /var/backups/mmrag
COPY --from=build /opt/mmrag /opt/mmrag
COPY --chmod=0755 deploy/docker/health.py /usr/local/bin/mmrag-health
ENV PATH=/opt/mmrag/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MMRAG_HOME=/var/lib/mmrag \
    MMRAG_LOG_LEVEL=INFO
USER 10001:10001
WORKDIR /var/lib/mmrag
VOLUME ["/var/lib/mmrag", "/var/backups/mmrag"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=4 CMD ["mmrag-health", "bot"]
ENTRYPOINT ["python", "-m", "bots"]
CMD ["slack", "--engine", "http://engine:8000"]
