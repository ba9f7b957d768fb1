FROM alpine

INSTALL curl \
  wget
