FROM alpine
ENV MY_NAME="John Doe" MY_DOG=Rex\ The\ Dog \
    MY_CAT=fluffy
ENV legacy the rest  of it = "all"
ENV a= b=""
ENV abc=hello
ENV abc=bye def=$abc
ENV ghi=$abc
