FROM alpine
RUN <<EOF
#!/bin/sh
echo "$HOME"
# kept
EOF
RUN <<-'END' cat >/x
	one
	END
