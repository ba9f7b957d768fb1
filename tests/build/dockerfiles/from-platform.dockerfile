ARG P=linux/arm64
FROM --platform=$P alpine AS arm-arm64
FROM --platform=linux/amd64 alpine
FROM --platform=${TARGETPLATFORM} alpine
