FROM alpine
RUN --mount="type=bind,target=/a b" --mount=type=bind,target=/c\ d true
