FROM a AS self
COPY --from=self /x /y
