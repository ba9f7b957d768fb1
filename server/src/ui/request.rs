//! What every handler learns of its request: who, from where, in which language; and forms whose token was checked.

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, Uri, header, request::Parts},
};
use runtime::error::{Error, ErrorKind};

use super::error::Fault;
use crate::{
    app::App,
    auth::{
        actor::{Actor, Principal, Via},
        cookie::{Cookie, Meta},
        token::Secret,
    },
    i18n::{Language, Texts},
    ops::sessions::{self, Session, Visitor},
};

/// Longest form.
const FORM_BYTES: usize = 256 * 1024;

/// A request of a person who is signed in.
#[derive(Clone, Debug)]
pub struct Signed {
    /// Who acts.
    pub actor: Actor,
    /// Their session.
    pub session: Session,
    /// Its secret.
    pub secret: Secret,
    /// Their language.
    pub t: Texts,
    /// What was asked for.
    pub uri: Uri,
    /// From where, and the request's name.
    pub meta: Meta,
    /// Only the live part of the page is wanted.
    pub fragment: bool,
    /// The part the page has already.
    pub known: Option<String>,
    /// The browser, as it calls itself.
    pub agent: String,
}

impl Signed {
    /// For the functions that begin sessions.
    pub fn visitor(&self) -> Visitor {
        Visitor { address: self.meta.address.clone(), agent: self.agent.clone() }
    }
}

fn meta(parts: &Parts) -> Result<Meta, Fault> {
    let missing = || Error::new(ErrorKind::Internal, "the request has no name");
    parts.extensions.get::<Meta>().cloned().ok_or_else(|| Fault::Failed(missing()))
}

fn agent(headers: &HeaderMap) -> String {
    headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

impl FromRequestParts<App> for Signed {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Fault> {
        let meta = meta(parts)?;
        if sessions::is_setting_up(app) {
            return Err(Fault::SetUpFirst);
        }
        let headers = &parts.headers;
        let back = || {
            let back = parts.uri.path_and_query().map_or("/", |path| path.as_str());
            Fault::SignInFirst(if parts.method == axum::http::Method::GET { back.to_owned() } else { "/".to_owned() })
        };
        let secret = Cookie::Session.read(headers, meta.https).ok_or_else(back)?;
        let active = !headers.contains_key("x-background");
        let session = sessions::resume(app, &secret, active).await.map_err(Fault::Failed)?.ok_or_else(back)?;
        let t = Texts { language: Language::choose(&session.preferences.language, headers) };
        Ok(Self {
            actor: Actor {
                principal: session.principal.clone(),
                via: Via::Web,
                address: meta.address.clone(),
                request_id: meta.id.clone(),
            },
            secret,
            t,
            uri: parts.uri.clone(),
            fragment: headers.contains_key("hx-request"),
            known: headers.get(header::IF_NONE_MATCH).and_then(|tag| tag.to_str().ok()).map(str::to_owned),
            agent: agent(headers),
            session,
            meta,
        })
    }
}

/// A request of anybody.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Ties forms to this browser.
    pub secret: Secret,
    /// The cookie must be set.
    pub fresh: bool,
    /// The browser's language.
    pub t: Texts,
    /// From where, and the request's name.
    pub meta: Meta,
    /// What was asked for.
    pub uri: Uri,
    /// The browser, as it calls itself.
    pub agent: String,
}

impl Visit {
    /// One who says to be `tried`.
    pub fn actor(&self, tried: &str) -> Actor {
        Actor {
            principal: Principal::Nobody { tried: tried.chars().take(64).collect() },
            via: Via::Web,
            address: self.meta.address.clone(),
            request_id: self.meta.id.clone(),
        }
    }

    /// For the functions that begin sessions.
    pub fn visitor(&self) -> Visitor {
        Visitor { address: self.meta.address.clone(), agent: self.agent.clone() }
    }
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let meta = meta(parts)?;
        let known = Cookie::Visit.read(&parts.headers, meta.https);
        let asked = parts.uri.query().and_then(|query| Fields::parse(query.as_bytes()).get("lang").map(str::to_owned));
        Ok(Self {
            fresh: known.is_none(),
            secret: known.unwrap_or_else(Secret::random),
            t: Texts { language: Language::choose(&asked.unwrap_or_default(), &parts.headers) },
            uri: parts.uri.clone(),
            agent: agent(&parts.headers),
            meta,
        })
    }
}

/// The fields of a form or a query, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// From `application/x-www-form-urlencoded`.
    pub fn parse(text: &[u8]) -> Self {
        Self(serde_html_form::from_bytes(text).unwrap_or_default())
    }

    /// From fields that came otherwise.
    pub fn from(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The first field of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first field of this name without blanks around it; empty when there is none.
    pub fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().trim().to_owned()
    }

    /// The first field of this name with its lines as they are elsewhere: browsers end them with two characters.
    pub fn lines(&self, name: &str) -> String {
        self.text(name).replace("\r\n", "\n")
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Every field of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A ticked box.
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// A form of a person who is signed in, its token checked.
pub struct Posted {
    /// Who and how.
    pub signed: Signed,
    /// What was filled in.
    pub fields: Fields,
}

impl FromRequest<App> for Posted {
    type Rejection = Fault;

    async fn from_request(request: Request, app: &App) -> Result<Self, Fault> {
        let (mut parts, body) = request.into_parts();
        let signed = Signed::from_request_parts(&mut parts, app).await?;
        let fields = read_form(&parts.headers, body).await?;
        if !signed.secret.is_form_token(fields.get("csrf").unwrap_or_default()) {
            return Err(Fault::StaleForm);
        }
        Ok(Self { signed, fields })
    }
}

/// A form of anybody, its token checked.
pub struct PostedVisit {
    /// Who and how.
    pub visit: Visit,
    /// What was filled in.
    pub fields: Fields,
}

impl<S: Sync> FromRequest<S> for PostedVisit {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, state).await?;
        let fields = read_form(&parts.headers, body).await?;
        if visit.fresh || !visit.secret.is_form_token(fields.get("csrf").unwrap_or_default()) {
            return Err(Fault::StaleForm);
        }
        Ok(Self { visit, fields })
    }
}

async fn read_form(headers: &HeaderMap, body: axum::body::Body) -> Result<Fields, Fault> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Err(Fault::Failed(Error::invalid("this address takes forms only")));
    }
    let bytes = axum::body::to_bytes(body, FORM_BYTES)
        .await
        .map_err(|_| Fault::Failed(Error::invalid("this form is too long")))?;
    Ok(Fields::parse(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_and_repeat() {
        let fields = Fields::parse(b"id=a&id=b&name=+web+%C3%B1&empty=");
        assert_eq!(fields.all("id").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(fields.text("name"), "web ñ");
        assert_eq!((fields.get("empty"), fields.get("none")), (Some(""), None));
    }
}
