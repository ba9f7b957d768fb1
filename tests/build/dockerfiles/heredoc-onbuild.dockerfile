FROM alpine
ONBUILD RUN <<EOF
echo hello
EOF
ONBUILD COPY <<EOF /x
hi
EOF
