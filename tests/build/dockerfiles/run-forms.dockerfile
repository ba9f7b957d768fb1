FROM alpine
RUN echo hello
RUN ["echo", "hello", "a b"]
RUN [ "a" == "a" ] && true
RUN [ -f /x ] || touch /x
RUN ["a", 'b']
RUN \
  set -e; \
  true
