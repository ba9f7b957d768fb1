FROM alpine
ONBUILD ADD . /app/src
ONBUILD RUN ["a"]
onbuild copy --from=x a b
