# In the place of prom/prometheus.
FROM stand-in:debian
RUN install -d -m 777 /prometheus
USER 65534:65534
ENTRYPOINT ["prometheus"]
