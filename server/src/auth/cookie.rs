//! What a request brings to be known by: where it came from, and the cookies that name a session or a browser.

use axum::http::{HeaderMap, header};

use super::token::Secret;

/// Put on each request by the outermost layer.
#[derive(Clone, Debug)]
pub struct Meta {
    /// Names the request.
    pub id: String,
    /// The peer's address.
    pub address: String,
    /// The person came by https.
    pub https: bool,
}

/// Which cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// A session.
    Session,
    /// Somebody who has not signed in; ties forms to a browser.
    Visit,
}

impl Cookie {
    fn name(self, https: bool) -> &'static str {
        match (self, https) {
            (Self::Session, true) => "__Host-darsena",
            (Self::Session, false) => "darsena",
            (Self::Visit, true) => "__Host-darsena-visit",
            (Self::Visit, false) => "darsena-visit",
        }
    }

    /// Its value in this request.
    pub fn read(self, headers: &HeaderMap, https: bool) -> Option<Secret> {
        let name = self.name(https);
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .and_then(|(_, value)| Secret::parse(value))
    }

    /// The `Set-Cookie` that sets it, or removes it.
    pub fn set(self, secret: Option<&Secret>, https: bool) -> String {
        let name = self.name(https);
        let secure = if https { "; Secure" } else { "" };
        match secret {
            Some(secret) => format!("{name}={}; Path=/; HttpOnly; SameSite=Strict{secure}", secret.expose()),
            None => format!("{name}=; Path=/; HttpOnly; SameSite=Strict{secure}; Max-Age=0"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_among_others_and_must_look_right() {
        let secret = Secret::random();
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, format!("a=b; darsena={}; c=d", secret.expose()).parse().expect("a header"));
        assert_eq!(Cookie::Session.read(&headers, false), Some(secret.clone()));
        assert_eq!(Cookie::Session.read(&headers, true), None, "the plain cookie does not count on https");
        assert_eq!(Cookie::Visit.read(&headers, false), None);
        let set = Cookie::Session.set(Some(&secret), true);
        assert!(
            set.starts_with("__Host-darsena=") && set.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"),
            "{set}"
        );
    }
}
