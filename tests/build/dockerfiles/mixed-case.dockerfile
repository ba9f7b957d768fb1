FROM alpine
Run true
RUN true
run true
