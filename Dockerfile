# The page on processors. Build: docker build -t medmamba .   Run: see README.md, Host it
FROM python:3.11-slim-bookworm AS packages
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
COPY requirements-cpu.lock /build/
# torch's build without CUDA is on torch's own index; everything else is held to its hash.
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu torch==2.15.0 torchvision==0.29.2 \
    && /venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r /build/requirements-cpu.lock

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --create-home --home-dir /state medmamba
COPY --from=packages /venv /venv
WORKDIR /app
COPY medmamba medmamba
COPY app app
COPY checkpoints checkpoints
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    XDG_STATE_HOME=/state \
    MEDMAMBA_HOST=0.0.0.0 \
    MEDMAMBA_LOG=json
USER 10001
EXPOSE 7860
VOLUME ["/state", "/tmp"]
HEALTHCHECK --interval=15s --timeout=5s --start-period=90s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
CMD ["python", "-m", "app"]
