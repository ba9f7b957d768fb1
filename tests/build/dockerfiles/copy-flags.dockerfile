FROM alpine
ARG u=1000
COPY --chown=app:$u --chmod=u=rwX,go=rX --link --parents --exclude=*.md --exclude="a b" src/*.rs ./x/ /dst/
COPY --from=busybox:1 --link=false /bin/sh /sh
