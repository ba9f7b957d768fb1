FROM alpine
LABEL "com.example.vendor"="ACME Incorporated"
LABEL version="1.0" description="This text \
spans lines."
LABEL one two three
