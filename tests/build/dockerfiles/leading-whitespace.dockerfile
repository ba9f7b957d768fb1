   FROM alpine
	 RUN true
