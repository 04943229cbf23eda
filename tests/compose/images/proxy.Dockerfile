# In the place of nginx-unprivileged: templates are rendered at the start, and nothing runs as root.
FROM stand-in:debian
COPY proxy.sh proxy.conf /
USER 101:101
CMD ["sh", "/proxy.sh"]
