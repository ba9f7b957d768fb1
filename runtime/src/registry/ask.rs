//! Small questions: which tags a repository has, whether a registry lets somebody in.

use reqwest::{
    Method, Response, Url,
    header::{self, HeaderMap},
};
use serde::Deserialize;

use super::{
    Client, Endpoint, Error, Purpose, Repository,
    request::{Call, To, read_capped},
};
use crate::{reference::Reference, request::RegistryAuth};

const MAX_TAGS_BYTES: u64 = 8 << 20;
const MAX_PAGES: usize = 1000;
const MAX_TAGS: usize = 10_000;
const TAGS_A_PAGE: usize = 1000;

impl Client {
    /// All tags of a repository at its own registry, sorted.
    pub async fn tags(&self, reference: &Reference, auth: Option<&RegistryAuth>) -> Result<Vec<String>, Error> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let repository = self.repository(reference, Purpose::Pull, auth.cloned());
        let host = repository.endpoint.host.clone();
        let first = format!("tags/list?n={TAGS_A_PAGE}");
        let (mut tags, mut next) = (Vec::new(), None::<Url>);
        for _ in 0..MAX_PAGES {
            let body = repository.retried(async || {
                let to = next.as_ref().map_or(To::Path(&first), To::Url);
                let response = repository.send(&Call::new("tags", Method::GET, to)).await?;
                let further = further(&response);
                let stall = self.config().stall;
                Ok((further, read_capped(response, "a list of tags", MAX_TAGS_BYTES, &host, stall).await?))
            });
            let (further, body) = body.await?;
            let not_a_list = |source| crate::oci::Error::Json { what: "list of tags", source };
            let page: Page = serde_json::from_slice(&body).map_err(not_a_list)?;
            tags.extend(page.tags.unwrap_or_default());
            if tags.len() > MAX_TAGS {
                return Err(Error::Setup(format!("{} has more than {MAX_TAGS} tags", reference.familiar_name())));
            }
            next = further;
            if next.is_none() {
                break;
            }
        }
        tags.sort();
        tags.dedup();
        Ok(tags)
    }

    /// Asks a registry whether it lets somebody in. Returns the identity token it gives in exchange for the password,
    /// if it does that.
    pub async fn log_in(&self, host: &str, auth: &RegistryAuth) -> Result<Option<String>, Error> {
        let registry = self.at(Endpoint::itself(host, self.config()), None, Purpose::Pull, Some(auth.clone()));
        let key = Self::login_key(&registry);
        // An answer from before is no answer.
        if let Some(key) = &key {
            self.forget_token(key);
        }
        let result = registry.send(&Call::new("login", Method::GET, To::Path(""))).await;
        match result {
            Ok(_) => Ok(Self::login_key(&registry).and_then(|key| self.identity(&key))),
            Err(Error::Denied { .. } | Error::Unauthorized(_)) if self.is_basic_at(&registry) => {
                let url = registry.address();
                Err(Error::Unauthorized(format!("login attempt to {url} failed with status: 401 Unauthorized")))
            }
            Err(error) => Err(error),
        }
    }

    fn is_basic_at(&self, registry: &Repository) -> bool {
        Url::parse(&registry.address()).is_ok_and(|url| self.is_basic(&url.origin().ascii_serialization()))
    }

    fn login_key(registry: &Repository) -> Option<super::auth::TokenKey> {
        let url = Url::parse(&registry.address()).ok()?;
        let user = registry.auth.as_ref().map(|auth| auth.username.clone()).unwrap_or_default();
        Some((url.origin().ascii_serialization(), String::new(), user))
    }
}

impl Repository {
    /// Where the registry is, by the protocol it was last found to speak.
    fn address(&self) -> String {
        let plain = self.endpoint.plain.or_else(|| self.client.known_plain(&self.endpoint.host)).unwrap_or(false);
        self.endpoint.url(plain, "")
    }
}

/// `Link: </v2/x/tags/list?last=b&n=2>; rel="next"`: the next page, at the same registry.
fn further(response: &Response) -> Option<Url> {
    let url = response.url();
    let link = next_link(response.headers())?;
    url.join(&link).ok().filter(|next| next.origin() == url.origin() && next != url)
}

fn next_link(headers: &HeaderMap) -> Option<String> {
    let links = headers.get_all(header::LINK).iter().filter_map(|value| value.to_str().ok());
    links.flat_map(|value| value.split(',')).find_map(|link| {
        let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = rest.split(';').any(|part| matches!(part.trim(), "rel=\"next\"" | "rel=next"));
        is_next.then(|| target.to_owned())
    })
}
