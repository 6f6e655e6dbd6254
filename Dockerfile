# docker build -t resay .
# docker run --rm -v resay:/data resay key add me --data /data/server
# docker run --rm -p 8080:8080 -v resay:/data resay
ARG PYTHON=3.11.13-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY deploy/constraints.txt ./deploy/constraints.txt
COPY src ./src
ARG EXTRAS=studio
RUN python -m venv /opt/resay
RUN /opt/resay/bin/python -m pip install --no-cache-dir --constraint deploy/constraints.txt ".[${EXTRAS}]"
# Weights and voices under a path that does not change with Python's version.
RUN ln -s "$(/opt/resay/bin/python -c 'from resay.synthesis import SHIPPED; print(SHIPPED)')" /opt/resay/models
# An image that cannot speak shall not be built. What is installed is not needed any more to install anything.
RUN /opt/resay/bin/resay doctor && /opt/resay/bin/python -m pip uninstall --yes --quiet pip setuptools

FROM python:${PYTHON}
COPY --from=build /opt/resay /opt/resay
# A number, not a name: Kubernetes can then see that it is not root.
RUN install -d -m 0750 -o 10001 -g 10001 /data
USER 10001:10001
WORKDIR /data
ENV PATH=/opt/resay/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/data \
    PYTHONUNBUFFERED=1 \
    RESAY_VOICES=/data/voices \
    RESAY_SEEDS=/data/seeds.jsonl
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["resay"]
CMD ["serve", "--host", "0.0.0.0", "--data", "/data/server"]
