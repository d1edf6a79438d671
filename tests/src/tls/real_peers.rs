//! TLS and HTTP/2 as other programs speak them: curl, OpenSSL, h2load.
