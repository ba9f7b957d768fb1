//! Repositories belong to teams: who is in none sees none; viewers pull, operators push, leads say who is in.

use harness::{
    Darsena, Suite,
    image::{Compression, Layer, busybox},
};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::{
    assert_empty,
    person::{Person, USER, Witness},
};

const WORD: &str = "nine patient herons";

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("members_reach_what_their_teams_own_and_nothing_else", members)
        .test("an_account_is_suspended_resumed_and_removed", accounts)
        .test("docker_pushes_for_a_team", docker)
}

fn of(darsena: &Darsena, name: &str) -> Person {
    Person::with(darsena, Witness::Basic(name.into(), WORD.into()))
}

/// The administrator, signed in on the pages.
async fn administrator(darsena: &Darsena) -> Person {
    let person = Person::new(darsena);
    person.sign_in().await;
    person
}

async fn make(administrator: &Person, people: &[&str], teams: &[&str]) {
    for name in people {
        let fields = [("user", *name), ("password", WORD), ("role", "member")];
        assert_eq!(administrator.send("/teams", "/users", &fields).await, StatusCode::SEE_OTHER, "{name}");
    }
    for name in teams {
        assert_eq!(administrator.send("/teams", "/teams", &[("name", name)]).await, StatusCode::SEE_OTHER, "{name}");
    }
}

async fn unmake(administrator: &Person, people: &[&str], teams: &[&str]) {
    for (kind, names) in [("users", people), ("teams", teams)] {
        for name in names {
            let path = format!("/{kind}/{name}/remove");
            assert_eq!(administrator.send(&path, &path, &[]).await, StatusCode::SEE_OTHER, "{name}");
        }
    }
}

async fn put(person: &Person, team: &str, user: &str, role: &str) -> StatusCode {
    let page = format!("/teams/{team}");
    person.send(&page, &format!("{page}/members"), &[("user", user), ("role", role)]).await
}

async fn catalog(person: &Person) -> Vec<String> {
    let body: Value = person.get("/v2/_catalog").await.json().await.unwrap();
    body["repositories"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// Status and code of a push's first request.
async fn begin_push(person: &Person, repository: &str) -> (u16, String) {
    person.refused(person.ask(Method::POST, &format!("/v2/{repository}/blobs/uploads/"))).await
}

fn members(darsena: &mut Darsena) {
    darsena.space().inside(|| async {
        let ada = administrator(darsena).await;
        make(&ada, &["bea", "eva"], &["shop", "lab"]).await;
        let image = busybox().layer(Layer::new().file("owned", "1")).blobs(Compression::Gzip);
        ada.push("lab/etl", "1", &image).await;
        ada.push("loose", "1", &image).await;

        // In no team: nothing is there.
        let (bea, eva) = (of(darsena, "bea"), of(darsena, "eva"));
        bea.sign_in().await;
        eva.sign_in().await;
        assert_eq!(catalog(&bea).await, Vec::<String>::new());
        for foreign in ["lab/etl", "loose", "never/was"] {
            let manifest = bea.ask(Method::GET, &format!("/v2/{foreign}/manifests/1"));
            assert_eq!(bea.refused(manifest).await, (404, "NAME_UNKNOWN".to_owned()), "{foreign}");
            assert_eq!(begin_push(&bea, foreign).await, (403, "DENIED".to_owned()), "{foreign}");
            assert_eq!(bea.status(&format!("/registry/{foreign}")).await, StatusCode::NOT_FOUND, "{foreign}");
        }
        for closed in ["/containers", "/images", "/builds", "/operations", "/audit", "/registries", "/containers/x"] {
            assert_eq!(bea.status(closed).await, StatusCode::FORBIDDEN, "{closed}");
        }
        assert_eq!(bea.status("/teams/lab").await, StatusCode::NOT_FOUND);
        assert_eq!(bea.status("/users/eva").await, StatusCode::FORBIDDEN);
        let own = bea.page("/teams").await;
        assert!(!own.contains("/teams/lab") && !own.contains(USER), "{own}");

        // A viewer pulls.
        assert_eq!(put(&ada, "lab", "bea", "viewer").await, StatusCode::SEE_OTHER);
        assert_eq!(catalog(&bea).await, ["lab/etl"]);
        assert_eq!(bea.get("/v2/lab/etl/manifests/1").await.status(), StatusCode::OK);
        assert_eq!(begin_push(&bea, "lab/etl").await, (403, "DENIED".to_owned()));
        let remove = bea.ask(Method::DELETE, "/v2/lab/etl/manifests/1");
        assert_eq!(bea.refused(remove).await, (403, "DENIED".to_owned()));
        let page = bea.page("/registry/lab/etl").await;
        assert!(page.contains("docker pull") && !page.contains("?remove="), "{page}");
        let csrf = bea.form_token("/account").await;
        let posted = bea.post("/registry/lab/etl", &[("csrf", &csrf), ("reference", "1")]).await;
        assert_eq!(posted.status(), StatusCode::FORBIDDEN);

        // An operator pushes, within the team, and mounts only what can be pulled.
        assert_eq!(put(&ada, "shop", "bea", "operator").await, StatusCode::SEE_OTHER);
        bea.push("shop/api", "1", &image).await;
        assert_eq!(begin_push(&bea, "lab/etl").await.0, 403, "a place in one team is none in another");
        assert_eq!(begin_push(&bea, "shopping/api").await.0, 403);
        let blob = &image[2].digest;
        let mount = |from: &str| format!("/v2/shop/copy/blobs/uploads/?mount={blob}&from={from}");
        let mounted = bea.ask(Method::POST, &mount("lab/etl")).send().await.unwrap();
        assert_eq!(mounted.status(), StatusCode::CREATED);
        let unseen = bea.ask(Method::POST, &mount("loose")).send().await.unwrap();
        assert_eq!(unseen.status(), StatusCode::ACCEPTED, "an upload begins instead");
        let upload = unseen.headers()["location"].to_str().unwrap().to_owned();
        let cancelled = bea.ask(Method::DELETE, &upload).send().await.unwrap();
        assert_eq!(cancelled.status(), StatusCode::NO_CONTENT);

        // A token does no more than its person, and no more than it was made for.
        let token = bea.token("ci", "view").await;
        let program = Person::with(darsena, Witness::Basic("bea".into(), token));
        assert_eq!(program.get("/v2/shop/api/manifests/1").await.status(), StatusCode::OK);
        assert_eq!(begin_push(&program, "shop/api").await.0, 403);
        assert_eq!(program.get("/v2/loose/manifests/1").await.status(), StatusCode::NOT_FOUND);

        // Only a lead says who is in; nobody is put into a team by themselves.
        let csrf = bea.form_token("/account").await;
        let fields = [("csrf", csrf.as_str()), ("user", "eva"), ("role", "viewer")];
        assert_eq!(bea.post("/teams/shop/members", &fields).await.status(), StatusCode::FORBIDDEN);
        assert_eq!(eva.status("/teams/shop").await, StatusCode::NOT_FOUND);
        assert_eq!(put(&ada, "shop", "bea", "lead").await, StatusCode::SEE_OTHER);
        assert_eq!(put(&bea, "shop", "eva", "operator").await, StatusCode::SEE_OTHER);
        assert_eq!(put(&bea, "shop", "nobody", "viewer").await, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(catalog(&eva).await, ["shop/api"]);
        let path = "/teams/shop/members/eva/remove";
        assert_eq!(bea.send("/teams/shop", path, &[]).await, StatusCode::SEE_OTHER);
        assert_eq!(catalog(&eva).await, Vec::<String>::new(), "at once");

        let path = format!("/v2/shop/copy/blobs/{blob}");
        assert_eq!(ada.ask(Method::DELETE, &path).send().await.unwrap().status(), StatusCode::ACCEPTED);
        for name in ["shop/api", "lab/etl", "loose"] {
            ada.remove(name, &image[0].digest).await;
        }
        unmake(&ada, &["bea", "eva"], &["shop", "lab"]).await;
    });
    assert_empty(darsena);
}

fn accounts(darsena: &mut Darsena) {
    darsena.space().inside(|| async {
        let ada = administrator(darsena).await;
        make(&ada, &["leo"], &[]).await;
        for (user, password, part) in
            [("leo", WORD, "already"), ("9x", WORD, "aria-invalid"), ("lia", "short", "At least 10")]
        {
            let csrf = ada.form_token("/teams").await;
            let fields = [("csrf", csrf.as_str()), ("user", user), ("password", password), ("role", "member")];
            let refused = ada.post("/users", &fields).await;
            assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{user}");
            let page = refused.text().await.unwrap();
            assert!(page.contains(part), "{user}: {page}");
        }
        for name in ["a", "Shop", "shop/api", "-x"] {
            assert_eq!(
                ada.send("/teams", "/teams", &[("name", name)]).await,
                StatusCode::UNPROCESSABLE_ENTITY,
                "{name}"
            );
        }
        let leo = of(darsena, "leo");
        leo.sign_in().await;
        let token = leo.token("ci", "view").await;
        let program = Person::with(darsena, Witness::Basic("leo".into(), token));
        assert_eq!(program.get("/v2/").await.status(), StatusCode::OK);
        assert_eq!(leo.status("/account").await, StatusCode::OK);

        let ask = async |change: &str| {
            let path = format!("/users/leo/{change}");
            assert_eq!(ada.send(&path, &path, &[]).await, StatusCode::SEE_OTHER, "{change}");
        };
        ask("suspend").await;
        assert_eq!(leo.status("/account").await, StatusCode::SEE_OTHER, "sent to sign in");
        assert_eq!(of(darsena, "leo").try_sign_in().await, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(leo.get("/v2/").await.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(program.get("/v2/").await.status(), StatusCode::UNAUTHORIZED);
        ask("resume").await;
        assert_eq!(program.get("/v2/").await.status(), StatusCode::OK);
        let leo = of(darsena, "leo");
        leo.sign_in().await;
        assert_eq!(leo.status("/containers").await, StatusCode::FORBIDDEN);

        ask("promote").await;
        let leo = of(darsena, "leo");
        leo.sign_in().await;
        assert_eq!(leo.status("/containers").await, StatusCode::OK);
        ask("demote").await;
        assert_eq!(leo.status("/containers").await, StatusCode::SEE_OTHER, "the session ended with the role");

        // The last administrator stays, and nobody shuts themselves out.
        for change in ["demote", "suspend", "remove"] {
            let path = format!("/users/{USER}/{change}");
            assert_eq!(ada.send(&path, &path, &[]).await, StatusCode::SEE_OTHER);
            assert_eq!(ada.status("/containers").await, StatusCode::OK, "{change} did nothing");
        }
        ask("remove").await;
        assert_eq!(ada.status("/users/leo").await, StatusCode::NOT_FOUND);
        assert_eq!(program.get("/v2/").await.status(), StatusCode::UNAUTHORIZED);
        let audit = ada.page("/audit?actor=leo").await;
        assert!(audit.contains("token.create"), "what was done stays on record: {audit}");
        let audit = ada.page("/audit").await;
        for action in ["user.create", "user.suspend", "user.resume", "user.promote", "user.demote", "user.remove"] {
            assert!(audit.contains(action), "{action}: {audit}");
        }
    });
}

fn docker(darsena: &mut Darsena) {
    darsena.space().inside(|| async {
        let ada = administrator(darsena).await;
        make(&ada, &["mia"], &["quay"]).await;
        assert_eq!(put(&ada, "quay", "mia", "operator").await, StatusCode::SEE_OTHER);
    });
    let docker = darsena.docker();
    let host = crate::HOST;
    docker.run_with(&["login", "-u", "mia", "--password-stdin", host], WORD.as_bytes()).ok();
    let (own, foreign) = (format!("{host}/quay/app:1"), format!("{host}/other/app:1"));
    for name in [&own, &foreign] {
        docker.run(&["tag", "test:1", name]).ok();
    }
    docker.run(&["push", &own]).ok();
    assert!(docker.run(&["push", &foreign]).fails().contains("denied"));
    docker.run(&["rmi", &own, &foreign]).ok();
    docker.run(&["pull", &own]).ok();
    docker.run(&["logout", host]).ok();
    darsena.space().inside(|| async {
        let ada = administrator(darsena).await;
        let fields = [("reference", "1")];
        let done = ada.send("/registry/quay/app?remove=1", "/registry/quay/app", &fields).await;
        assert_eq!(done, StatusCode::SEE_OTHER);
        unmake(&ada, &["mia"], &["quay"]).await;
    });
    docker.run(&["inspect", &own]).fails();
    assert_empty(darsena);
}
