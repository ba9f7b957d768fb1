//! Where a request comes from: the host it was sent to, and the page that sent it.

use axum::http::{HeaderMap, header};

/// Names this server answers to, lower case, without port, and whether people reach it there by https.
#[derive(Clone, Debug, Default)]
pub struct Hosts(Vec<(String, bool)>);

impl Hosts {
    /// Loopback's names, the address listened on, and those configured: `name`, or `https://name` where a proxy in
    /// front of this server speaks https.
    pub fn new(listen: std::net::SocketAddr, configured: &[String]) -> Self {
        let mut names: Vec<(String, bool)> =
            ["localhost", "127.0.0.1", "::1"].map(|name| (name.to_owned(), false)).to_vec();
        if !listen.ip().is_unspecified() {
            names.push((listen.ip().to_string(), false));
        }
        names.extend(configured.iter().map(|name| {
            let plain = name.strip_prefix("https://").unwrap_or(name);
            (name_of(plain).to_ascii_lowercase(), plain.len() != name.len())
        }));
        Self(names)
    }

    /// `None` when the request was sent to no known name, which is what stops DNS rebinding; else whether by https.
    pub fn accept(&self, headers: &HeaderMap) -> Option<bool> {
        let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let name = name_of(host).to_ascii_lowercase();
        self.0.iter().find(|(known, _)| *known == name).map(|(_, https)| *https)
    }
}

/// `name` of `name:port`, `[::1]:port` or `name`.
fn name_of(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Whether a page of this same origin sent it: by `Sec-Fetch-Site` where the browser says it, and `Origin` always.
pub fn same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text("sec-fetch-site").is_some_and(|site| site != "same-origin") {
        return false;
    }
    let Some(host) = text("host") else { return false };
    match text("origin") {
        Some(origin) => {
            origin.split_once("://").is_some_and(|(scheme, name)| matches!(scheme, "http" | "https") && name == host)
        }
        // Old browsers leave it out on a plain form; then the form token alone decides.
        None => true,
    }
}

/// As [`same_origin`], and `Origin` must be there: every browser sends it when it opens a websocket.
pub fn same_origin_socket(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) && same_origin(headers)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_pages_of_this_origin_may_send_forms() {
        let host = ("host", "127.0.0.1:8080");
        assert!(same_origin(&headers(&[host, ("origin", "http://127.0.0.1:8080")])));
        assert!(same_origin(&headers(&[host, ("sec-fetch-site", "same-origin")])));
        for wrong in [
            headers(&[host, ("origin", "http://127.0.0.1:8081")]),
            headers(&[host, ("origin", "null")]),
            headers(&[host, ("origin", "http://evil.example")]),
            headers(&[host, ("origin", "http://127.0.0.1:8080.evil.example")]),
            headers(&[host, ("sec-fetch-site", "cross-site")]),
            headers(&[host, ("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:8080")]),
            headers(&[("origin", "http://127.0.0.1:8080")]),
        ] {
            assert!(!same_origin(&wrong), "{wrong:?}");
        }
        assert!(!same_origin_socket(&headers(&[host])));
        assert!(same_origin_socket(&headers(&[host, ("origin", "http://127.0.0.1:8080")])));
    }

    #[test]
    fn unknown_host_names_are_not_answered() {
        let listen = "10.0.4.2:8080".parse().expect("an address");
        let hosts = Hosts::new(listen, &["https://Muelle.Example:8443".into()]);
        for right in
            ["10.0.4.2:8080", "localhost", "[::1]:8080", "127.0.0.1:1", "muelle.example", "MUELLE.example:8443"]
        {
            let mut map = HeaderMap::new();
            map.insert("host", right.parse().expect("a value"));
            assert!(hosts.accept(&map).is_some(), "{right}");
        }
        for wrong in ["", "evil.example", "10.0.4.3:8080", "localhost.evil.example", "::1:8080"] {
            let mut map = HeaderMap::new();
            map.insert("host", wrong.parse().expect("a value"));
            assert!(hosts.accept(&map).is_none(), "{wrong}");
        }
    }
}
