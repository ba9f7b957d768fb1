FROM alpine
HEALTHCHECK --interval=5m --timeout=3s --start-period=1m30s --start-interval=1s --retries=5 \
  CMD curl -f http://localhost/ || exit 1
HEALTHCHECK CMD ["a", "b"]
HEALTHCHECK NONE
