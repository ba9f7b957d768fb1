# check=skip=all
from alpine AS Base
MAINTAINER me
