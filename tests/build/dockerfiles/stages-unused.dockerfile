FROM a AS unused
RUN one
FROM b AS used
FROM used AS last
COPY --from=0 / /
FROM last
