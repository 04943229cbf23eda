# In the place of influxdb:2.7: Debian's 1.6.7, at the same port and volume, which asks for users, too.
FROM stand-in:debian
ENV INFLUXDB_HTTP_AUTH_ENABLED=true INFLUXDB_HTTP_LOG_ENABLED=false INFLUXDB_REPORTING_DISABLED=true \
    INFLUXDB_META_DIR=/var/lib/influxdb2/meta INFLUXDB_DATA_DIR=/var/lib/influxdb2/data \
    INFLUXDB_DATA_WAL_DIR=/var/lib/influxdb2/wal INFLUXDB_MONITOR_STORE_ENABLED=false
CMD ["influxd"]
