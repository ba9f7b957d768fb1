FROM alpine
RUN echo "<<EOF" \<<EOF a<<EOF
RUN cat <<<word
RUN ["cat", "<<EOF"]
ENV x=<<EOF
