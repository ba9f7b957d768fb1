FROM alpine
ARG name=world
COPY --chmod=644 <<greeting.txt <<'raw.txt' other /dst/
Hello ${name}!
greeting.txt
Hello ${name}!
raw.txt
ADD <<-EOF /x
	indented
	EOF
