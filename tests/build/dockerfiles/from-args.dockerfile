ARG REPO=docker.io/library
ARG IMAGE=${REPO}/alpine TAG
FROM ${IMAGE}:${TAG:-3}
ARG TAG
RUN echo $TAG
