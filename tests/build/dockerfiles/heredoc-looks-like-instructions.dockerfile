FROM alpine
RUN <<EOF
FROM nowhere
RUN nothing \
EOF
RUN true
