FROM alpine
COPY --chow=a b c
