//! The server dies at every step of a push by a real client: afterwards there is the old or the new, and the push goes
//! through.

use harness::{
    Darsena, Settings, Suite,
    image::{Compression, Layer, busybox},
};
use reqwest::{Method, StatusCode};

use crate::{HOST, assert_empty, person::Person, prepare, skopeo, with_witness};

const STEPS: &[&str] = &["serve.upload", "serve.linked", "pull.layer", "serve.layer", "serve.image", "serve.documents"];

pub fn tests(mut suite: Suite) -> Suite {
    for &step in STEPS {
        suite = suite.alone(&format!("{step}_killed"), move || push(step));
    }
    for step in ["serve.unnamed", "serve.removed"] {
        suite = suite.alone(&format!("{step}_killed"), move || removal(step));
    }
    suite
}

fn archive(darsena: &Darsena) -> String {
    let file = darsena.space().side().join("image");
    let image = busybox().layer(Layer::new().file("killed", "not"));
    std::fs::write(&file, image.oci_archive("1", Compression::Gzip)).unwrap();
    format!("oci-archive:{}", file.display())
}

fn push(step: &str) {
    let mut darsena = Darsena::start();
    prepare(&mut darsena);
    let (from, to) = (archive(&darsena), format!("docker://{HOST}/team/app:1"));
    darsena.restart_with(&Settings::failing_at(step));
    let arguments = with_witness(&["copy", "--retry-times=0", &from, &to]);
    let done = darsena.space().command("skopeo").args(arguments).output().unwrap();
    assert!(!done.status.success(), "{step}: the server died");
    darsena.wait();
    darsena.restart();
    darsena.assert_clean();
    let status =
        darsena.space().inside(|| async { Person::new(&darsena).get("/v2/team/app/manifests/1").await.status() });
    let name = format!("{HOST}/team/app:1");
    let run = darsena.docker().run(&["run", "--rm", "--pull=never", &name, "cat", "/killed"]);
    assert_eq!(status == StatusCode::OK, run.code == 0, "{step}: a tag is an image, {status} {}", run.error());
    assert!(status == StatusCode::OK || status == StatusCode::NOT_FOUND, "{step}: {status}");
    skopeo(darsena.space(), &["copy", &from, &to]);
    assert_eq!(darsena.docker().run(&["run", "--rm", &name, "cat", "/killed"]).ok(), "not");
    skopeo(darsena.space(), &["delete", &to]);
    if step == "serve.upload" {
        // A client that knows of it could have gone on with it.
        cancel_uploads(&darsena);
    }
    assert_empty(&darsena);
    darsena.docker().run(&["inspect", &name]).fails();
}

fn cancel_uploads(darsena: &Darsena) {
    let waiting = std::fs::read_dir(darsena.space().data().join("content/uploads")).unwrap();
    let names = waiting.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let ids: Vec<String> = names.filter(|name| !name.contains('.')).collect();
    assert_eq!(ids.len(), 1, "the upload that was about to be published");
    darsena.space().inside(|| async {
        let path = format!("/v2/team/app/blobs/uploads/{}", ids[0]);
        let answer = Person::new(darsena).ask(Method::DELETE, &path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    });
}

fn removal(step: &str) {
    let mut darsena = Darsena::start();
    prepare(&mut darsena);
    let (from, to) = (archive(&darsena), format!("docker://{HOST}/team/app:1"));
    skopeo(darsena.space(), &["copy", &from, &to]);
    darsena.restart_with(&Settings::failing_at(step));
    let done = darsena.space().command("skopeo").args(with_witness(&["delete", &to])).output().unwrap();
    assert!(!done.status.success(), "{step}: the server died");
    darsena.wait();
    darsena.restart();
    let status =
        darsena.space().inside(|| async { Person::new(&darsena).get("/v2/team/app/manifests/1").await.status() });
    if status == StatusCode::OK {
        skopeo(darsena.space(), &["delete", &to]);
    }
    assert_empty(&darsena);
    darsena.docker().run(&["inspect", &format!("{HOST}/team/app:1")]).fails();
    darsena.assert_clean();
}
