# check=oops
FROM alpine
