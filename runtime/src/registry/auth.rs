//! Authentication: a registry answers 401 with a challenge; the answer is Basic, or a token from the realm it names.

use std::time::{Duration, Instant};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::{Url, header};
use serde::Deserialize;

use super::{Client, Error, error::root_cause, request::read_capped};
use crate::request::RegistryAuth;

const MAX_TOKEN_BYTES: u64 = 1 << 20;
/// Tokens whose life isn't said live 60 s (distribution's token specification).
const DEFAULT_LIFE: Duration = Duration::from_mins(1);

/// What a token is for: registry, scope, user.
pub type TokenKey = (String, String, String);

/// A bearer token.
pub struct Token {
    /// Goes behind `Bearer`.
    pub text: String,
    /// What further tokens can be had for instead of a password; only when it was asked for.
    pub identity: Option<String>,
    until: Instant,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}

impl Token {
    /// Still to be used.
    pub fn is_fresh(&self) -> bool {
        Instant::now() < self.until
    }
}

/// What a token realm is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Where.
    pub realm: &'a str,
    /// For whom.
    pub service: &'a str,
    /// For what; several with spaces between them.
    pub scope: &'a str,
    /// An identity token is wanted too.
    pub offline: bool,
}

/// What a registry asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Challenge {
    /// Name and password with each request.
    Basic,
    /// A token from elsewhere.
    Bearer {
        /// Where.
        realm: String,
        /// For whom.
        service: String,
        /// For what; empty when not said.
        scope: String,
    },
}

impl Challenge {
    /// Reads `WWW-Authenticate`; bearer is preferred.
    pub fn parse<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut basic = None;
        for text in headers {
            let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
            if scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Self::Basic);
            } else if scheme.eq_ignore_ascii_case("bearer") {
                let mut realm = None;
                let (mut service, mut scope) = (String::new(), String::new());
                for (key, value) in parameters(rest) {
                    match key.to_ascii_lowercase().as_str() {
                        "realm" => realm = Some(value),
                        "service" => service = value,
                        "scope" => scope = value,
                        _ => {}
                    }
                }
                if let Some(realm) = realm {
                    return Some(Self::Bearer { realm, service, scope });
                }
            }
        }
        basic
    }
}

/// `key="value",key=value`.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim_matches([' ', ',', '\t']).to_owned();
        let mut value = String::new();
        if let Some(quoted) = after.strip_prefix('"') {
            let mut chars = quoted.char_indices();
            rest = "";
            while let Some((index, c)) = chars.next() {
                match c {
                    '\\' => value.extend(chars.next().map(|(_, c)| c)),
                    '"' => {
                        rest = &quoted[index + 1..];
                        break;
                    }
                    c => value.push(c),
                }
            }
        } else {
            let (word, after) = after.split_once(',').unwrap_or((after, ""));
            word.trim().clone_into(&mut value);
            rest = after;
        }
        all.push((key, value));
    }
    all
}

/// `Basic …` for these credentials, if they are name and password.
pub fn basic(auth: Option<&RegistryAuth>) -> Option<String> {
    let auth = auth.filter(|auth| !auth.username.is_empty())?;
    Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", auth.username, auth.password))))
}

/// The realm may be asked, and with credentials only if they can't be overheard or go astray.
fn checked_realm(realm: &str, registry: &Url) -> Result<(Url, bool), &'static str> {
    let realm = Url::parse(realm).map_err(|_| "its token realm is not an address")?;
    let same_host = realm.host_str() == registry.host_str();
    match (realm.scheme(), registry.scheme()) {
        ("https", _) => Ok((realm, true)),
        ("http", "http") => Ok((realm, same_host)),
        ("http", _) => Err("its token realm is not https"),
        _ => Err("its token realm is not an address"),
    }
}

impl Client {
    /// A token for the scope, from the cache or from the realm.
    pub(super) async fn token(
        &self,
        registry: &Url,
        asked: Asked<'_>,
        lax: bool,
        auth: Option<&RegistryAuth>,
    ) -> Result<Token, Error> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            token: String,
            #[serde(default)]
            access_token: String,
            #[serde(default)]
            refresh_token: String,
            #[serde(default)]
            expires_in: Option<u64>,
        }
        let Asked { realm, service, scope, offline } = asked;
        let host = registry.host_str().unwrap_or_default().to_owned();
        let (mut realm, may_see) =
            checked_realm(realm, registry).map_err(|why| Error::Challenge { host: host.clone(), why })?;
        let auth = auth.filter(|_| may_see);
        let realm_host = realm.host_str().unwrap_or_default().to_owned();
        // Certificates nobody vouches for are for the registry's own host alone.
        let http = self.http(&super::request::shown_host(&realm), lax && realm_host == host)?;
        let identity = auth.map(|auth| auth.identity_token.as_str()).filter(|token| !token.is_empty());
        let request = if let Some(identity) = identity {
            let mut form = realm.clone();
            form.query_pairs_mut().clear().extend_pairs([
                ("grant_type", "refresh_token"),
                ("service", service),
                ("client_id", "darsena"),
                ("scope", scope),
                ("refresh_token", identity),
            ]);
            let form = form.query().unwrap_or_default().to_owned();
            http.post(realm).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form)
        } else {
            {
                let mut query = realm.query_pairs_mut();
                if !service.is_empty() {
                    query.append_pair("service", service);
                }
                for one in scope.split_whitespace() {
                    query.append_pair("scope", one);
                }
                if offline {
                    query.append_pair("offline_token", "true").append_pair("client_id", "darsena");
                }
                if let Some(auth) = auth.filter(|auth| !auth.username.is_empty()) {
                    query.append_pair("account", &auth.username);
                }
            }
            match basic(auth) {
                Some(basic) => http.get(realm).header(header::AUTHORIZATION, basic),
                None => http.get(realm),
            }
        };
        let stall = self.config().stall;
        let unreachable =
            |cause: String| Error::Unreachable { host: format!("{realm_host} (token realm of {host})"), cause };
        let response = match tokio::time::timeout(stall, request.send()).await {
            Err(_) => return Err(Error::Stalled { host: realm_host, after: stall }),
            Ok(Err(error)) => return Err(unreachable(root_cause(&error))),
            Ok(Ok(response)) => response,
        };
        let status = response.status();
        if matches!(status.as_u16(), 400 | 401 | 403) {
            return Err(Error::Unauthorized("unauthorized: incorrect username or password".to_owned()));
        }
        if !status.is_success() {
            let retry_after = super::request::retry_after(response.headers());
            let detail = String::new();
            return Err(Error::Status { host: realm_host, step: "token", status, detail, retry_after });
        }
        let body = read_capped(response, "token", MAX_TOKEN_BYTES, &realm_host, stall).await?;
        let challenge = |why| Error::Challenge { host: host.clone(), why };
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| challenge("its token realm sent no token"))?;
        let text = if answer.token.is_empty() { answer.access_token } else { answer.token };
        if text.is_empty() || header::HeaderValue::from_str(&text).is_err() {
            return Err(challenge("its token realm sent no token"));
        }
        let life = answer.expires_in.map_or(DEFAULT_LIFE, |seconds| Duration::from_secs(seconds.min(24 * 3600)));
        let identity = Some(answer.refresh_token).filter(|token| offline && !token.is_empty());
        Ok(Token { text, identity, until: Instant::now() + life.mul_f32(0.9) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let bearer =
            r#"Bearer realm="https://auth.example/token",service="reg \"x\"",scope="repository:a/b:pull,push""#;
        assert_eq!(
            Challenge::parse(["Basic realm=\"x\"", bearer].into_iter()),
            Some(Challenge::Bearer {
                realm: "https://auth.example/token".into(),
                service: "reg \"x\"".into(),
                scope: "repository:a/b:pull,push".into()
            })
        );
        assert_eq!(Challenge::parse(["basic realm=x"].into_iter()), Some(Challenge::Basic));
        assert_eq!(Challenge::parse(["Bearer service=x", "Negotiate", "Bearer \""].into_iter()), None);
    }

    #[test]
    fn a_realm_gets_credentials_only_where_they_are_safe() {
        let check = |realm: &str, registry: &str| {
            checked_realm(realm, &registry.parse().expect("an address")).ok().map(|(_, may_see)| may_see)
        };
        assert_eq!(check("https://auth.example/t", "https://reg.example/v2/"), Some(true));
        assert_eq!(check("http://reg.example/t", "https://reg.example/v2/"), None, "no downgrade");
        assert_eq!(check("http://127.0.0.1:5001/t", "http://127.0.0.1:5000/v2/"), Some(true));
        assert_eq!(check("http://evil.example/t", "http://127.0.0.1:5000/v2/"), Some(false));
        assert_eq!(check("file:///etc/passwd", "http://127.0.0.1:5000/v2/"), None);
        assert_eq!(check("nonsense", "https://reg.example/v2/"), None);
    }
}
