# In the place of node:22-slim: Node from its wheel, with a cache of npm that holds the locked packages.
FROM stand-in:debian
COPY node /node
RUN python3 -m venv /opt/node && /opt/node/bin/pip install --no-index /node/*.whl
COPY npm /npm
ENV PATH=/opt/node/bin:$PATH npm_config_cache=/npm npm_config_offline=true
