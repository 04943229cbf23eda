set -eu
if [ ! -e "$PGDATA/PG_VERSION" ]; then
    install -d -o postgres -g postgres -m 700 "$PGDATA"
    install -o postgres -m 600 "$POSTGRES_PASSWORD_FILE" /tmp/password
    setpriv --reuid postgres --regid postgres --clear-groups \
        initdb -U "$POSTGRES_USER" --pwfile /tmp/password -A scram-sha-256 --auth-local trust -E UTF8
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    # as the image does it: the database is made by a server that nobody else can reach
    as="setpriv --reuid postgres --regid postgres --clear-groups"
    $as pg_ctl -w -o "-c listen_addresses= -k /tmp" start
    $as psql -h /tmp -U "$POSTGRES_USER" -d postgres -c "CREATE DATABASE \"$POSTGRES_DB\""
    $as pg_ctl -w -m fast stop
fi
exec setpriv --reuid postgres --regid postgres --clear-groups postgres -c listen_addresses='*' -k /tmp
