FROM a AS tools
FROM b
RUN --mount=from=tools,target=/tools --mount=type=bind,from=busybox,source=/bin,target=/bb /tools/x
