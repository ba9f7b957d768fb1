//! Who may what: nobody nothing; bearer tokens what they are for; API tokens what they were made for.

use harness::{
    Darsena, Suite,
    image::{Compression, Layer, busybox},
};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::{
    HOST, assert_empty,
    person::{PASSWORD, Person, USER, Witness},
};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("nothing_is_open_to_nobody", nobody)
        .test("a_bearer_token_is_for_its_scopes_only", bearer)
        .test("an_api_token_does_what_it_was_made_for_until_it_is_revoked", api_token)
        .alone("guessing_is_slowed_down", guessing)
}

/// A bearer token for these scopes.
async fn token(person: &Person, scopes: &[&str]) -> String {
    let scopes: Vec<String> = scopes.iter().map(|scope| format!("&scope={scope}")).collect();
    let answer = person.get(&format!("/v2/token?service={HOST}{}", scopes.concat())).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["token"], body["access_token"]);
    assert_eq!(body["expires_in"], 300);
    body["token"].as_str().unwrap().to_owned()
}

fn nobody(darsena: &mut Darsena) {
    darsena.space().inside(|| async {
        let nobody = Person::with(darsena, Witness::None);
        let digest = format!("sha256:{}", "0".repeat(64));
        for (method, path, scope) in [
            (Method::GET, "/v2/".to_owned(), None),
            (Method::GET, "/v2/_catalog".to_owned(), Some("registry:catalog:*")),
            (Method::GET, "/v2/team/app/tags/list".to_owned(), Some("repository:team/app:pull")),
            (Method::GET, "/v2/team/app/manifests/1".to_owned(), Some("repository:team/app:pull")),
            (Method::HEAD, format!("/v2/team/app/blobs/{digest}"), Some("repository:team/app:pull")),
            (Method::PUT, "/v2/team/app/manifests/1".to_owned(), Some("repository:team/app:pull,push")),
            (Method::POST, "/v2/team/app/blobs/uploads/".to_owned(), Some("repository:team/app:pull,push")),
            (Method::DELETE, "/v2/team/app/manifests/1".to_owned(), Some("repository:team/app:delete")),
            (Method::GET, format!("/v2/team/app/referrers/{digest}"), Some("repository:team/app:pull")),
        ] {
            let answer = nobody.ask(method.clone(), &path).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
            let challenge = answer.headers()["www-authenticate"].to_str().unwrap().to_owned();
            let begin = format!("Bearer realm=\"http://{HOST}/v2/token\",service=\"{HOST}\"");
            assert!(challenge.starts_with(&begin), "{challenge}");
            let scope = scope.map(|scope| format!("scope=\"{scope}\""));
            assert!(scope.is_none_or(|scope| challenge.contains(&scope)), "{method} {path}: {challenge}");
        }
        for witness in [
            Witness::Basic(USER.into(), "wrong password".into()),
            Witness::Basic("nobody".into(), PASSWORD.into()),
            Witness::Basic(USER.into(), format!("darsena_1_{}", "0".repeat(64))),
            Witness::Bearer("x.y".into()),
        ] {
            let person = Person::with(darsena, witness);
            assert_eq!(person.get("/v2/").await.status(), StatusCode::UNAUTHORIZED);
        }
        assert_eq!(nobody.get("/v2/token").await.status(), StatusCode::UNAUTHORIZED);
        // The pages' session is nothing to the registry.
        let person = Person::with(darsena, Witness::None);
        person.sign_in().await;
        assert_eq!(person.get("/v2/").await.status(), StatusCode::UNAUTHORIZED);
    });
}

fn bearer(darsena: &mut Darsena) {
    darsena.space().inside(|| async {
        let person = Person::new(darsena);
        let image = busybox().layer(Layer::new().file("scoped", "1")).blobs(Compression::Gzip);
        let push = token(&person, &["repository:scoped/app:pull,push"]).await;
        let pusher = Person::with(darsena, Witness::Bearer(push));
        pusher.push("scoped/app", "1", &image).await;
        assert_eq!(pusher.get("/v2/").await.status(), StatusCode::OK);
        let pull = token(&person, &["repository:scoped/app:pull"]).await;
        let puller = Person::with(darsena, Witness::Bearer(pull));
        assert_eq!(puller.get("/v2/scoped/app/manifests/1").await.status(), StatusCode::OK);
        for (method, path) in [
            (Method::POST, "/v2/scoped/app/blobs/uploads/"),
            (Method::PUT, "/v2/scoped/app/manifests/2"),
            (Method::DELETE, "/v2/scoped/app/manifests/1"),
            (Method::GET, "/v2/other/app/manifests/1"),
            (Method::GET, "/v2/_catalog"),
        ] {
            let answer = puller.ask(method.clone(), path).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
            let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
            assert!(challenge.contains("insufficient_scope"), "{challenge}");
        }
        // A blob is not mounted from where the token may not read.
        let other = token(&person, &["repository:other/app:pull,push"]).await;
        let other = Person::with(darsena, Witness::Bearer(other));
        let mount = format!("/v2/other/app/blobs/uploads/?mount={}&from=scoped/app", image[2].digest);
        let answer = other.ask(Method::POST, &mount).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        let location = answer.headers()["location"].to_str().unwrap().to_owned();
        other.ask(Method::DELETE, &location).send().await.unwrap();
        let both = ["repository:other/app:pull,push", "repository:scoped/app:pull"];
        let both = Person::with(darsena, Witness::Bearer(token(&person, &both).await));
        assert_eq!(both.ask(Method::POST, &mount).send().await.unwrap().status(), StatusCode::CREATED);
        let catalog = Person::with(darsena, Witness::Bearer(token(&person, &["registry:catalog:*"]).await));
        assert_eq!(catalog.get("/v2/_catalog").await.status(), StatusCode::OK);
        person.ask(Method::DELETE, &format!("/v2/other/app/blobs/{}", image[2].digest)).send().await.unwrap();
        person.remove("scoped/app", &image[0].digest).await;
    });
    assert_empty(darsena);
}

fn api_token(darsena: &mut Darsena) {
    darsena.space().inside(|| async {
        let person = Person::new(darsena);
        person.sign_in().await;
        let image = busybox().layer(Layer::new().file("token", "1")).blobs(Compression::Gzip);
        let (may, sees) = (person.token("ci", "operate").await, person.token("reader", "view").await);
        let with = |secret: &str| Person::with(darsena, Witness::Basic(USER.into(), secret.into()));
        with(&may).push("token/app", "1", &image).await;
        let reader = with(&sees);
        assert_eq!(reader.get("/v2/token/app/manifests/1").await.status(), StatusCode::OK);
        let denied = reader.refused(reader.ask(Method::POST, "/v2/token/app/blobs/uploads/")).await;
        assert_eq!(denied, (403, "DENIED".to_owned()));
        let bearer = token(&reader, &["repository:token/app:pull,push,delete"]).await;
        let reader = Person::with(darsena, Witness::Bearer(bearer));
        assert_eq!(reader.get("/v2/token/app/manifests/1").await.status(), StatusCode::OK);
        let denied = reader.refused(reader.ask(Method::DELETE, "/v2/token/app/manifests/1")).await;
        assert_eq!(denied, (403, "DENIED".to_owned()), "no token is worth more than what it was made from");
        let stranger = Person::with(darsena, Witness::Basic("eva".into(), may.clone()));
        assert_eq!(stranger.get("/v2/").await.status(), StatusCode::UNAUTHORIZED, "another's name");
        let page = person.page("/account").await;
        for action in regex::Regex::new("/account/tokens/[0-9]+/revoke").unwrap().find_iter(&page) {
            let csrf = person.form_token("/account").await;
            person.post(action.as_str(), &[("csrf", &csrf)]).await;
        }
        assert_eq!(with(&may).get("/v2/").await.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(reader.get("/v2/").await.status(), StatusCode::UNAUTHORIZED, "its bearer tokens end with it");
        let audit = person.page("/audit").await;
        assert!(audit.contains("token.create") && audit.contains("token.revoke"));
        person.remove("token/app", &image[0].digest).await;
    });
    assert_empty(darsena);
}

fn guessing() {
    let darsena = Darsena::start();
    darsena.space().inside(|| async {
        Person::set_up(&darsena).await;
        let guess = Person::with(&darsena, Witness::Basic(USER.into(), "a wrong guess".into()));
        let mut statuses = Vec::new();
        for _ in 0..8 {
            statuses.push(guess.get("/v2/token").await.status());
        }
        assert_eq!(statuses[0], StatusCode::UNAUTHORIZED);
        assert_eq!(statuses[7], StatusCode::TOO_MANY_REQUESTS);
        let slowed = guess.ask(Method::GET, "/v2/").send().await.unwrap();
        assert!(slowed.headers().contains_key("retry-after"));
    });
}
