FROM alpine
ADD --checksum=sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa --chown=1:2 --chmod=0755 --link https://example.com/x.tar.gz /x/
ADD --keep-git-dir=true https://github.com/example/x.git#v1:sub /src
ADD --unpack=true --exclude=*.o a.tar.gz /
ADD git@git.example.com:x/y.git /y
