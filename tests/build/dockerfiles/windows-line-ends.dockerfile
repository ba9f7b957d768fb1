FROM alpine
RUN echo one \
    two
COPY <<EOF /x
hello
EOF
