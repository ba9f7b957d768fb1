FROM alpine
COPY ["a b", "c", "/dst dir/"]
COPY ["a", "b"
