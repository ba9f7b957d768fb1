FROM alpine
VOLUME ["/data", "/with space"]
VOLUME /var/log /var/db $X
