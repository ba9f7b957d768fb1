FROM alpine
ARG A
ARG B=1 C="two words" D='$B' E=$B-${C}
ARG F=
