FROM alpine
# café
RUN true
