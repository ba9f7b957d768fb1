# check=skip=StageNameCasing;error=true
FROM alpine AS Base
MAINTAINER me
