FROM alpine
RUN cat <<A >/a && cat <<"B" >/b 3<<C
1
A
$2
B
3
C
