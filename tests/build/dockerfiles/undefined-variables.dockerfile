FROM alpine AS base
ENV DIR=/app
FROM base
COPY $DRI $DIR ${MISSING:-fine} $PATH/
WORKDIR relative
