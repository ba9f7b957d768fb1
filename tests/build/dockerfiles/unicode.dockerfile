FROM alpine
LABEL naïve="日本語 ✓"
RUN echo “quotes”
