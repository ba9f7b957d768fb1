FROM alpine
RNU true
