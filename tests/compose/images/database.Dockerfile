# In the place of postgres: Debian's PostgreSQL, which honours the variables that deploy/compose.yaml gives.
FROM stand-in:debian
COPY database.sh /
ENV PATH=/usr/lib/postgresql/15/bin:$PATH PGDATA=/var/lib/postgresql/data PGHOST=/tmp
CMD ["sh", "/database.sh"]
