#	  eScApE =  `  
FROM alpine
RUN one `
    two
