FROM alpine
COPY --from=$x a b
