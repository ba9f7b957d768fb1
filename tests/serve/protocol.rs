//! The protocol by hand: uploads in parts and over a restart, mounts, ranges, pages, referrers, refusals.

use harness::{
    Darsena, Suite,
    image::{Blob, Compression, Layer, busybox},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{assert_empty, person::Person};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("an_upload_goes_on_after_the_server_was_killed", resumed)
        .test("parts_and_digests_that_do_not_fit_are_refused", refused)
        .test("blobs_are_mounted_and_read_in_part", blobs)
        .test("lists_come_in_pages", paging)
        .test("artifacts_are_found_by_what_they_are_about", referrers)
        .test("manifests_answer_with_what_was_put", manifests)
}

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

fn blob(bytes: Vec<u8>) -> Blob {
    Blob::new("application/octet-stream", bytes)
}

/// An artifact of one blob.
fn artifact(kind: &str, content: &Blob, subject: Option<&Blob>) -> (Blob, Blob) {
    let empty = Blob::new("application/vnd.oci.empty.v1+json", b"{}".to_vec());
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": kind,
        "config": empty.descriptor(), "layers": [content.descriptor()],
    });
    if let Some(subject) = subject {
        manifest["subject"] = subject.descriptor();
    }
    (Blob::new("application/vnd.oci.image.manifest.v1+json", serde_json::to_vec(&manifest).unwrap()), empty)
}

fn resumed(darsena: &mut Darsena) {
    let whole = blob(noise(3_000_000));
    let (first, rest) = whole.bytes.split_at(1_000_000);
    let location = darsena.space().inside(|| async {
        let person = Person::new(darsena);
        let begun = person.ask(Method::POST, "/v2/parts/blobs/uploads/").send().await.unwrap();
        assert_eq!(begun.status(), StatusCode::ACCEPTED);
        assert_eq!(begun.headers()["range"], "0-0");
        let location = begun.headers()["location"].to_str().unwrap().to_owned();
        let part = person.ask(Method::PATCH, &location).header("content-range", "0-999999").body(first.to_vec());
        let taken = part.send().await.unwrap();
        assert_eq!((taken.status(), taken.headers()["range"].to_str().unwrap()), (StatusCode::ACCEPTED, "0-999999"));
        location
    });
    darsena.restart();
    darsena.space().inside(|| async {
        let person = Person::new(darsena);
        let status = person.get(&location).await;
        assert_eq!(status.status(), StatusCode::NO_CONTENT);
        assert_eq!(status.headers()["range"], "0-999999");
        let wrong = person.ask(Method::PATCH, &location).header("content-range", "5-9").body("12345");
        let answer = wrong.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(answer.headers()["range"], "0-999999");
        let end = format!("{location}?digest={}", whole.digest);
        let done = person.ask(Method::PUT, &end).body(rest.to_vec()).send().await.unwrap();
        assert_eq!(done.status(), StatusCode::CREATED);
        assert_eq!(done.headers()["docker-content-digest"], whole.digest.as_str());
        let read = person.get(&format!("/v2/parts/blobs/{}", whole.digest)).await.bytes().await.unwrap();
        assert!(read == whole.bytes, "as it was sent");
        let gone = person.ask(Method::DELETE, &format!("/v2/parts/blobs/{}", whole.digest)).send().await.unwrap();
        assert_eq!(gone.status(), StatusCode::ACCEPTED);
    });
    assert_empty(darsena);
}

fn refused(darsena: &mut Darsena) {
    darsena.space().inside(|| async {
        let person = Person::new(darsena);
        let content = blob(noise(1000));
        let other = blob(noise(10));
        let code = |code: &str, status: u16| (status, code.to_owned());
        let upload = format!("/v2/wrong/blobs/uploads/?digest={}", other.digest);
        let wrong = person.refused(person.ask(Method::POST, &upload).body(content.bytes.clone())).await;
        assert_eq!(wrong, code("DIGEST_INVALID", 400));
        let wrong = person.refused(person.ask(Method::POST, "/v2/wrong/blobs/uploads/?digest=md5:0")).await;
        assert_eq!(wrong, code("DIGEST_INVALID", 400));
        let wrong = person.refused(person.ask(Method::POST, "/v2/Wrong/blobs/uploads/")).await;
        assert_eq!(wrong, code("NAME_INVALID", 400));
        let nowhere = format!("/v2/wrong/blobs/uploads/{}", "0".repeat(32));
        for method in [Method::GET, Method::PATCH, Method::DELETE] {
            let wrong = person.refused(person.ask(method, &nowhere)).await;
            assert_eq!(wrong, code("BLOB_UPLOAD_UNKNOWN", 404));
        }
        let (manifest, empty) = artifact("application/vnd.example", &content, None);
        let put = |manifest: &Blob, reference: &str| {
            let request = person.ask(Method::PUT, &format!("/v2/wrong/manifests/{reference}"));
            request.header("content-type", &manifest.media_type).body(manifest.bytes.clone())
        };
        assert_eq!(person.refused(put(&manifest, "1")).await, code("MANIFEST_BLOB_UNKNOWN", 400));
        person.upload("wrong", &empty).await;
        assert_eq!(person.refused(put(&manifest, "1")).await, code("MANIFEST_BLOB_UNKNOWN", 400));
        person.upload("wrong", &content).await;
        assert_eq!(person.refused(put(&manifest, &content.digest)).await, code("DIGEST_INVALID", 400));
        assert_eq!(person.refused(put(&manifest, "no%20tag")).await, code("NAME_INVALID", 400));
        let nonsense = Blob::new(&manifest.media_type, b"{}".to_vec());
        assert_eq!(person.refused(put(&nonsense, "1")).await, code("MANIFEST_INVALID", 400));
        let large = Blob::new(&manifest.media_type, vec![b' '; 5 << 20]);
        assert_eq!(person.refused(put(&large, "1")).await, code("SIZE_INVALID", 413));
        let unknown = |path: &str| person.ask(Method::GET, path);
        assert_eq!(person.refused(unknown("/v2/wrong/manifests/1")).await, code("MANIFEST_UNKNOWN", 404));
        let missing = format!("/v2/wrong/blobs/{}", other.digest);
        assert_eq!(person.refused(unknown(&missing)).await, code("BLOB_UNKNOWN", 404));
        assert_eq!(person.refused(unknown("/v2/nobody/tags/list")).await, code("NAME_UNKNOWN", 404));
        assert_eq!(person.refused(unknown("/v2/_catalog?n=x")).await, code("PAGINATION_NUMBER_INVALID", 400));
        let (begun, cancelled) = (person.ask(Method::POST, "/v2/wrong/blobs/uploads/").send().await.unwrap(), "");
        let location = format!("{}{cancelled}", begun.headers()["location"].to_str().unwrap());
        let done = person.ask(Method::DELETE, &location).send().await.unwrap();
        assert_eq!(done.status(), StatusCode::NO_CONTENT);
        for digest in [&empty.digest, &content.digest] {
            person.ask(Method::DELETE, &format!("/v2/wrong/blobs/{digest}")).send().await.unwrap();
        }
    });
    assert_empty(darsena);
}

fn blobs(darsena: &mut Darsena) {
    darsena.space().inside(|| async {
        let person = Person::new(darsena);
        let content = blob(noise(300_000));
        person.upload("from/here", &content).await;
        let mount = |name: &str, from: &str| {
            let path = format!("/v2/{name}/blobs/uploads/?mount={}&from={from}", content.digest);
            person.ask(Method::POST, &path)
        };
        let not = mount("to/there", "nobody").send().await.unwrap();
        assert_eq!(not.status(), StatusCode::ACCEPTED, "what can't be mounted is uploaded");
        let location = not.headers()["location"].to_str().unwrap().to_owned();
        person.ask(Method::DELETE, &location).send().await.unwrap();
        let path = format!("/v2/to/there/blobs/{}", content.digest);
        assert_eq!(person.get(&path).await.status(), StatusCode::NOT_FOUND, "another repository's blob");
        assert_eq!(mount("to/there", "from/here").send().await.unwrap().status(), StatusCode::CREATED);
        let head = person.ask(Method::HEAD, &path).send().await.unwrap();
        assert_eq!((head.status(), head.headers()["content-length"].to_str().unwrap()), (StatusCode::OK, "300000"));
        let part = person.ask(Method::GET, &path).header("range", "bytes=100-199").send().await.unwrap();
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(part.headers()["content-range"], "bytes 100-199/300000");
        assert!(part.bytes().await.unwrap() == content.bytes[100..200]);
        let end = person.ask(Method::GET, &path).header("range", "bytes=-10").send().await.unwrap();
        assert!(end.bytes().await.unwrap() == content.bytes[299_990..]);
        let outside = person.ask(Method::GET, &path).header("range", "bytes=300000-").send().await.unwrap();
        assert_eq!(outside.status(), StatusCode::RANGE_NOT_SATISFIABLE);
        let known = format!("\"{}\"", content.digest);
        let same = person.ask(Method::GET, &path).header("if-none-match", known).send().await.unwrap();
        assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
        for name in ["from/here", "to/there"] {
            let path = format!("/v2/{name}/blobs/{}", content.digest);
            assert_eq!(person.ask(Method::DELETE, &path).send().await.unwrap().status(), StatusCode::ACCEPTED);
        }
    });
    assert_empty(darsena);
}

fn paging(darsena: &mut Darsena) {
    darsena.space().inside(|| async {
        let person = Person::new(darsena);
        let content = blob(noise(10));
        let (manifest, empty) = artifact("application/vnd.example", &content, None);
        for name in ["page/a", "page/b", "page/c"] {
            person.upload(name, &empty).await;
            person.upload(name, &content).await;
            for tag in ["1", "2", "3"] {
                assert_eq!(person.put(name, tag, &manifest).await.status(), StatusCode::CREATED);
            }
        }
        for (first, key, all) in [
            ("/v2/page/a/tags/list?n=2", "tags", vec!["1", "2", "3"]),
            ("/v2/_catalog?n=2", "repositories", vec!["page/a", "page/b", "page/c"]),
        ] {
            let (mut found, mut next) = (Vec::new(), Some(first.to_owned()));
            while let Some(path) = next {
                let answer = person.get(&path).await;
                let link = answer.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
                next = link.map(|link| link[1..link.find('>').unwrap()].to_owned());
                let body: Value = answer.json().await.unwrap();
                let entries = body[key].as_array().unwrap();
                assert!(entries.len() <= 2);
                found.extend(entries.iter().map(|entry| entry.as_str().unwrap().to_owned()));
            }
            assert_eq!(found, all, "{first}");
        }
        let body: Value = person.get("/v2/page/a/tags/list?last=2").await.json().await.unwrap();
        assert_eq!(body, json!({"name": "page/a", "tags": ["3"]}));
        for name in ["page/a", "page/b", "page/c"] {
            person.remove(name, &manifest.digest).await;
        }
    });
    assert_empty(darsena);
}

fn referrers(darsena: &mut Darsena) {
    darsena.space().inside(|| async {
        let person = Person::new(darsena);
        let image = busybox().layer(Layer::new().file("signed", "1")).blobs(Compression::Zstd);
        person.push("signed", "1", &image).await;
        let content = blob(noise(10));
        let mut digests = Vec::new();
        for kind in ["application/vnd.example.sbom", "application/vnd.example.signature"] {
            let (manifest, empty) = artifact(kind, &content, Some(&image[0]));
            person.upload("signed", &empty).await;
            person.upload("signed", &content).await;
            let answer = person.put("signed", &manifest.digest, &manifest).await;
            assert_eq!(answer.status(), StatusCode::CREATED);
            assert_eq!(answer.headers()["oci-subject"], image[0].digest.as_str());
            digests.push(manifest.digest);
        }
        let path = format!("/v2/signed/referrers/{}", image[0].digest);
        let all: Value = person.get(&path).await.json().await.unwrap();
        assert_eq!(all["manifests"].as_array().unwrap().len(), 2);
        let some = person.get(&format!("{path}?artifactType=application%2Fvnd.example.sbom")).await;
        assert_eq!(some.headers()["oci-filters-applied"], "artifactType");
        assert_eq!(some.headers()["content-type"], "application/vnd.oci.image.index.v1+json");
        let some: Value = some.json().await.unwrap();
        assert_eq!(some["manifests"][0]["digest"], digests[0].as_str());
        assert_eq!(some["manifests"][0]["artifactType"], "application/vnd.example.sbom");
        let none: Value = person.get(&format!("/v2/signed/referrers/{}", content.digest)).await.json().await.unwrap();
        assert_eq!(none["manifests"], json!([]));
        for digest in digests.iter().chain([&image[0].digest]) {
            person.remove("signed", digest).await;
        }
    });
    assert_empty(darsena);
}

fn manifests(darsena: &mut Darsena) {
    darsena.space().inside(|| async {
        let person = Person::new(darsena);
        let image = busybox().layer(Layer::new().file("manifest", "1")).blobs(Compression::Gzip);
        person.push("one/two/three", "v1.0", &image).await;
        for reference in ["v1.0", &image[0].digest] {
            let path = format!("/v2/one/two/three/manifests/{reference}");
            let answer = person.ask(Method::GET, &path).header("accept", &image[0].media_type).send().await.unwrap();
            let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
            assert_eq!(header("content-type"), image[0].media_type);
            assert_eq!(header("docker-content-digest"), image[0].digest);
            assert_eq!(header("etag"), format!("\"{}\"", image[0].digest));
            assert_eq!(header("docker-distribution-api-version"), "registry/2.0");
            assert!(answer.bytes().await.unwrap() == image[0].bytes);
            let head = person.ask(Method::HEAD, &path).send().await.unwrap();
            assert_eq!(head.headers()["content-length"], image[0].bytes.len().to_string().as_str());
            let docker = "application/vnd.docker.distribution.manifest.v2+json";
            let other = person.refused(person.ask(Method::GET, &path).header("accept", docker)).await;
            assert_eq!(other, (404, "MANIFEST_UNKNOWN".to_owned()));
        }
        let layer = format!("/v2/one/two/three/blobs/{}", image[2].digest);
        assert_eq!(person.refused(person.ask(Method::DELETE, &layer)).await, (409, "DENIED".to_owned()));
        person.remove("one/two/three", "v1.0").await;
        assert_eq!(person.get("/v2/one/two/three/manifests/v1.0").await.status(), StatusCode::NOT_FOUND);
        let by_digest = format!("/v2/one/two/three/manifests/{}", image[0].digest);
        assert_eq!(person.get(&by_digest).await.status(), StatusCode::OK, "a removed tag leaves its manifest");
        person.remove("one/two/three", &image[0].digest).await;
        assert_eq!(person.get(&by_digest).await.status(), StatusCode::NOT_FOUND);
    });
    assert_empty(darsena);
}
