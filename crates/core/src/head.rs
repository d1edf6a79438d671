//! The heads of messages, as the `http` crate has them.
//!
//! Hooks see the types that every Rust programmer knows, and can do to them whatever `http` can. Pingora's own head types
//! also remember how each header name was capitalised, which costs a parse and an allocation for every header that is
//! set; so a head is taken out of them when its hooks begin, and put back when they are done. What goes on carries header
//! names in lower case, as in HTTP/2, in HAProxy and in Envoy: names do not differ by case (RFC 9110, 5.1).

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use pingora_http::{RequestHeader, ResponseHeader};

/// The head of a request: method, target, version, headers.
pub type RequestHead = http::request::Parts;

/// The head of a response: status, version, headers.
pub type ResponseHead = http::response::Parts;

/// The value of the first cookie of this name (RFC 6265, 4.2.1). HTTP/2 may send a field for each cookie (RFC 9113, 8.2.3).
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    let lines = headers.get_all(COOKIE).into_iter().map(HeaderValue::as_bytes);
    let mut pairs = lines.flat_map(|line| line.split(|&byte| byte == b';')).map(<[u8]>::trim_ascii);
    pairs.find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// Takes the cookies of this name out. The others stay in their order.
pub(crate) fn remove_cookie(headers: &mut HeaderMap, name: &str) {
    if cookie(headers, name).is_none() {
        return;
    }
    let is_other =
        |pair: &&[u8]| pair.strip_prefix(name.as_bytes()).is_none_or(|rest| !rest.starts_with(b"="));
    let others = |line: &HeaderValue| {
        let pairs = line.as_bytes().split(|&byte| byte == b';').map(<[u8]>::trim_ascii).filter(is_other);
        let line = pairs.collect::<Vec<_>>().join(b"; ".as_slice());
        HeaderValue::from_bytes(&line).ok().filter(|line| !line.is_empty())
    };
    let lines: Vec<_> = headers.get_all(COOKIE).iter().filter_map(others).collect();
    headers.remove(COOKIE);
    headers.extend(lines.into_iter().map(|line| (COOKIE, line)));
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

    #[test]
    fn cookies_are_taken_out_by_their_whole_name() {
        let rows: [(&[&str], &[&str]); 6] = [
            (&["sid=1"], &[]),
            (&["a=1; sid=2;b=3"], &["a=1; b=3"]),
            (&["sid=1; sid=2", "a=1"], &["a=1"]),
            (&["asid=1;sidx=2; sid"], &["asid=1;sidx=2; sid"]),
            (&["a=sid=1; sid=x=y"], &["a=sid=1"]),
            (&[], &[]),
        ];
        for (before, after) in rows {
            let mut headers = HeaderMap::new();
            headers.extend(before.iter().map(|line| (COOKIE, line.parse().unwrap())));
            remove_cookie(&mut headers, "sid");
            assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), after, "{before:?}");
        }
    }

    /// A request without headers.
    pub(crate) fn request(method: &str, target: &str) -> RequestHead {
        http::Request::builder().method(method).uri(target).body(()).unwrap().into_parts().0
    }
}
