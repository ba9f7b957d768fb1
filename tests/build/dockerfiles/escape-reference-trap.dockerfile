FROM mcr.example.com/nanoserver
COPY testfile.txt c:\\
RUN dir c:\
