//! The heads of messages, as the `http` crate has them.
//!
//! Hooks see the types that every Rust programmer knows, and can do to them whatever `http` can. Pingora's own head types
//! also remember how each header name was capitalised, which costs a parse and an allocation for every header that is
//! set; so a head is taken out of them when its hooks begin, and put back when they are done. What goes on carries header
//! names in lower case, as in HTTP/2, in HAProxy and in Envoy: names do not differ by case (RFC 9110, 5.1).

use http::HeaderMap;
use http::header::COOKIE;
use pingora_http::{RequestHeader, ResponseHeader};

/// The head of a request: method, target, version, headers.
pub type RequestHead = http::request::Parts;

/// The head of a response: status, version, headers.
pub type ResponseHead = http::response::Parts;

/// The value of the first cookie of this name (RFC 6265, 4.2.1). HTTP/2 may send a field for each cookie (RFC 9113, 8.2.3).
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    let lines = headers.get_all(COOKIE).into_iter().map(http::HeaderValue::as_bytes);
    let mut pairs = lines.flat_map(|line| line.split(|&byte| byte == b';')).map(<[u8]>::trim_ascii);
    pairs.find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// Takes a request's head. `RequestHeader::from` makes one of Pingora's of it again.
pub(crate) fn take_request(header: &mut RequestHeader) -> RequestHead {
    let (blank, ()) = http::Request::new(()).into_parts();
    std::mem::replace(header, RequestHeader::from(blank)).into()
}

/// Takes a response's head.
pub(crate) fn take_response(header: &mut ResponseHeader) -> ResponseHead {
    std::mem::replace(header, ResponseHeader::from(blank_response())).into()
}

/// A response of which nothing is said yet but that it is 200.
pub(crate) fn blank_response() -> ResponseHead {
    http::Response::new(()).into_parts().0
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "asid=1; sid=2;sidx=3".parse().unwrap());
        headers.append(COOKIE, "other=4; sid=5".parse().unwrap());
        let rows = [
            ("sid", Some("2")),
            ("asid", Some("1")),
            ("sidx", Some("3")),
            ("other", Some("4")),
            ("si", None),
        ];
        for (name, value) in rows {
            assert_eq!(cookie(&headers, name), value.map(str::as_bytes), "{name}");
        }
    }

    /// A request without headers.
    pub(crate) fn request(method: &str, target: &str) -> RequestHead {
        http::Request::builder().method(method).uri(target).body(()).unwrap().into_parts().0
    }
}
