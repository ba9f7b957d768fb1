FROM a
COPY --from=3 / /
