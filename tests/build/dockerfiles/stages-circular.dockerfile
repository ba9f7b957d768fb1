FROM a AS one
COPY --from=two / /
FROM one AS two
