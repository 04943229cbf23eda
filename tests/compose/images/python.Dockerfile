# In the place of python:3.13-slim: Debian's Python, with the locked packages beside it, for there is no network here.
FROM stand-in:debian
COPY wheelhouse /wheelhouse
RUN printf '[global]\nno-index = true\nfind-links = /wheelhouse\n' >/etc/pip.conf
