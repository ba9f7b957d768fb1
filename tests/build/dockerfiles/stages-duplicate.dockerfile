FROM a AS x
FROM b AS x
FROM x
COPY --from=x / /
