# first
   # indented
FROM alpine
RUN echo "# text" \
# inside
  && echo two \
    # indented inside
  && echo three # four
# last \
RUN true
