//! Registries that fail, on the way in and on the way out: what passes is waited for and gone on with, what does not is
//! said, nothing of it stays, and no flood gets into memory.

use std::{
    collections::BTreeSet,
    io::Write as _,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use harness::{
    Answer, Ask, Darsena, Docker, Fault, Faulty, Memory, Registry, Suite,
    image::{Blob, Compression, Image, Layer, busybox, digest},
    slate::stored,
};
use serde_json::{Value, json};

use crate::{noise, pushed_digest};

/// A hundred times what any of these answers may be.
const FLOOD: u64 = 100 << 20;
/// What a failing pull or push may take; buffering a flood would take more.
const ROOM: u64 = 60 << 20;

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("pulls_survive_what_passes", passing)
        .test("lies_are_found_out_and_leave_nothing", lies)
        .test("refusals_end_a_pull_soon", refusals)
        .test("floods_stay_out_of_memory", floods)
        .test("layers_that_break_off_or_swell_leave_nothing", layers)
        .test("pushes_survive_what_passes", push_passing)
        .test("pushes_that_fail_say_why", push_refusals)
}

/// A name at the spoilt registry.
fn at(name: &str) -> String {
    format!("{}/{name}", Faulty::ADDRESS)
}

/// Nothing is there that was not there before, but perhaps the beginning of a blob for the next pull to go on with.
fn nothing_new(darsena: &Darsena, before: &BTreeSet<String>, why: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let new: Vec<String> = stored(darsena.space()).difference(before).cloned().collect();
        let litter = new.iter().any(|path| !path.starts_with("content/ingest/"));
        if !litter && new.len() <= 3 {
            return;
        }
        assert!(Instant::now() < deadline, "{why}: {new:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn layer(ask: &Ask, image: &Image) -> bool {
    let blobs = image.blobs(Compression::Gzip);
    ask.method == "GET" && ask.path.ends_with(&blobs.last().unwrap().digest)
}

/// What a test's image has on top of busybox.
fn large(mark: &str) -> Image {
    busybox().layer(Layer::new().file("noise", noise(6 << 20)).file("mark", mark))
}

/// The image comes when nothing is spoilt, and goes: so no beginning of it stays either.
fn comes_and_goes(docker: &Docker, name: &str, said: &str) {
    docker.run(&["pull", name]).ok();
    assert_eq!(docker.run(&["run", "--rm", name, "cat", "/mark"]).ok(), said);
    docker.run(&["rmi", name]).ok();
}

fn passing(darsena: &mut Darsena) {
    let (docker, name) = (darsena.docker(), at("faults/passing:1"));
    let registry = Registry::start(darsena.space());
    let image = large("passing");
    registry.push("faults/passing", "1", &image, Compression::Gzip);
    let size = image.blobs(Compression::Gzip).last().unwrap().bytes.len();
    {
        let image = image.clone();
        let faulty =
            Faulty::start(
                darsena.space(),
                move |ask| {
                    if layer(ask, &image) { Fault::CutAnswer(5 << 19) } else { Fault::None }
                },
            );
        comes_and_goes(&docker, &name, "passing");
        let asked = faulty.asked();
        let ranges: Vec<&str> =
            asked.iter().filter(|ask| layer(ask, &large("passing"))).map(|ask| ask.header("range")).collect();
        assert_eq!(ranges.len(), size.div_ceil(5 << 19), "each goes on where the last was cut: {ranges:?}");
        assert!(ranges[0].is_empty() && ranges[1..].iter().all(|range| range.starts_with("bytes=")), "{ranges:?}");
    }
    let later = |ask: &Ask, times: usize, answer: Answer| {
        let spoilt = ask.path.contains("/v2/faults/") && ask.before < times;
        if spoilt { Fault::Answer(answer) } else { Fault::None }
    };
    for (what, times, answer) in [
        ("too many requests", 1, Answer::new(429, "").with("Retry-After: 1")),
        ("a date to come again", 1, Answer::new(429, "").with("Retry-After: Wed, 21 Oct 2099 07:28:00 GMT")),
        ("out of order", 2, Answer::new(503, "<html>later</html>").with("Retry-After: 0")),
    ] {
        let faulty = Faulty::start(darsena.space(), move |ask| later(ask, times, answer.clone()));
        comes_and_goes(&docker, &name, "passing");
        let asked = faulty.asked();
        assert!(asked.iter().filter(|ask| ask.path.contains("/manifests/")).count() > times, "{what}");
    }
    let drip = |ask: &Ask| {
        if ask.is("GET", "/blobs/") { Fault::Drip(32 << 10, Duration::from_millis(2)) } else { Fault::None }
    };
    let slow = Faulty::start(darsena.space(), drip);
    comes_and_goes(&docker, &name, "passing");
    drop(slow);
}

/// A pull that fails with these words, whatever stays is the beginning of a blob.
fn fails(darsena: &Darsena, name: &str, words: &str, rule: impl Fn(&Ask) -> Fault + Send + Sync + 'static) -> Vec<Ask> {
    let before = stored(darsena.space());
    let faulty = Faulty::start(darsena.space(), rule);
    let error = darsena.docker().run(&["pull", name]).fails();
    assert!(error.contains(words), "{words:?} is not in: {error}");
    let asked = faulty.asked();
    assert!(asked.len() < 40, "{words}: {} requests", asked.len());
    nothing_new(darsena, &before, words);
    asked
}

fn lies(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let registry = Registry::start(darsena.space());
    let image = large("lies");
    let known = registry.push("faults/lies", "1", &image, Compression::Gzip);
    let blobs = image.blobs(Compression::Gzip);
    let (name, by_digest) = (at("faults/lies:1"), at(&format!("faults/lies@{known}")));
    let edit = |part: String, change: fn(&mut Vec<u8>)| {
        move |ask: &Ask| if ask.is("GET", &part) { Fault::Edit(Box::new(change)) } else { Fault::None }
    };
    let flip = |bytes: &mut Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    };
    let blank = |bytes: &mut Vec<u8>| bytes.push(b' ');
    let (config, layer) = (&blobs[1].digest, &blobs.last().unwrap().digest);
    fails(darsena, &name, &format!("wanted {layer}"), edit(layer.clone(), flip));
    fails(darsena, &name, &format!("wanted {config}"), edit(config.clone(), flip));
    fails(darsena, &by_digest, &format!("instead of {known}"), edit("/manifests/".to_owned(), blank));
    let said = format!("bytes for blob {layer} instead of {}", blobs.last().unwrap().bytes.len());
    fails(darsena, &name, &said, edit(layer.clone(), blank));
    let short = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2);
    // Each try brings less than it says: the same part again and again is no progress.
    let asked = fails(darsena, &name, "unexpected EOF", edit(layer.clone(), short));
    assert!(asked.len() < 25, "{}", asked.len());
    let _honest = Faulty::start(darsena.space(), |_| Fault::None);
    comes_and_goes(&docker, &name, "lies");
}

/// A challenge for a token of the registry's own.
fn challenge() -> Answer {
    let realm = format!("WWW-Authenticate: Bearer realm=\"http://{}/token\",service=\"s\"", Faulty::ADDRESS);
    Answer::new(401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#).with(realm)
}

fn refusals(darsena: &mut Darsena) {
    let name = at("faults/refused:1");
    let token = || Answer::new(200, r#"{"token":"t"}"#);
    let never = move |ask: &Ask| Fault::Answer(if ask.path.starts_with("/token") { token() } else { challenge() });
    let asked = fails(darsena, &name, "pull access denied for", never);
    assert!(asked.len() <= 4, "no loop: {}", asked.len());
    // The realm itself wants to see a token first.
    let asked = fails(darsena, &name, "unauthorized", |_| Fault::Answer(challenge()));
    assert!(asked.len() <= 4, "no loop: {}", asked.len());
    let around = |ask: &Ask| Fault::Answer(Answer::new(307, "").with(format!("Location: {}", ask.path)));
    fails(darsena, &name, "it redirects too often", around);
    let busy = |_: &Ask| Fault::Answer(Answer::new(429, "").with("Retry-After: 0"));
    let asked = fails(darsena, &name, "429 Too Many Requests", busy);
    assert!((2..=6).contains(&asked.len()), "{}", asked.len());
    let broken = |_: &Ask| {
        let said = r#"{"errors":[{"code":"UNKNOWN","message":"a\tb\u001b[31m"}]}"#;
        Fault::Answer(Answer::new(500, said).with("Retry-After: 0"))
    };
    fails(darsena, &name, "500 Internal Server Error", broken);
    for (status, body, words) in [
        (200, "<html>welcome</html>", "invalid manifest"),
        (200, r#"{"schemaVersion":1,"fsLayers":[]}"#, "schema 1"),
        (404, "", "not found"),
        (403, "", "denied"),
    ] {
        fails(darsena, &name, words, move |_| Fault::Answer(Answer::new(status, body)));
    }
}

fn floods(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let registry = Registry::start(darsena.space());
    let image = large("flood");
    registry.push("faults/flood", "1", &image, Compression::Gzip);
    let name = at("faults/flood:1");
    let blobs = image.blobs(Compression::Gzip);
    let layer = blobs.last().unwrap().digest.clone();
    let flood = |status, body: &str| Answer::new(status, body).flooding(FLOOD);
    let only = |part: &str, answer: Answer| {
        let part = part.to_owned();
        move |ask: &Ask| if ask.path.contains(&part) { Fault::Answer(answer.clone()) } else { Fault::None }
    };
    let memory = Memory::watch(darsena.pid());
    fails(darsena, &name, "a manifest is larger than 4194304 bytes", only("/manifests/", flood(200, "{")));
    fails(
        darsena,
        &name,
        "a manifest is larger than 4194304 bytes",
        only("/manifests/", flood(200, "{").unannounced()),
    );
    fails(darsena, &name, "503", only("/manifests/", flood(503, "").with("Retry-After: 0")));
    let realm = |ask: &Ask| {
        let token = Answer::new(200, "{").flooding(FLOOD);
        Fault::Answer(if ask.path.starts_with("/token") { token } else { challenge() })
    };
    fails(darsena, &name, "token is larger than", realm);
    // More of a layer than there is.
    fails(darsena, &name, "instead of", only(&layer, flood(200, "").unannounced()));
    fails(darsena, &name, "instead of", only(&blobs[1].digest, flood(200, "").unannounced()));
    let tags = Faulty::start(darsena.space(), only("/tags/list", flood(200, "{")));
    let error = docker.run(&["pull", "-a", &at("faults/flood")]).fails();
    assert!(error.contains("a list of tags is larger than"), "{error}");
    drop(tags);
    let grown = memory.grown();
    assert!(grown < ROOM, "the server took {grown} bytes more");
    let _honest = Faulty::start(darsena.space(), |_| Fault::None);
    comes_and_goes(&docker, &name, "flood");
}

/// The blobs of an image whose one layer is these bytes, whatever they are.
fn with_layer(bytes: Vec<u8>, diff_id: &str) -> Vec<Blob> {
    let mut blobs = Image::of(vec![Layer::new().file("x", "x")]).blobs(Compression::Gzip);
    let mut config: Value = serde_json::from_slice(&blobs[1].bytes).unwrap();
    config["rootfs"]["diff_ids"] = json!([diff_id]);
    blobs[1] = Blob::new(&blobs[1].media_type.clone(), config.to_string().into_bytes());
    blobs[2] = Blob::new(&blobs[2].media_type.clone(), bytes);
    let mut manifest: Value = serde_json::from_slice(&blobs[0].bytes).unwrap();
    manifest["config"] = blobs[1].descriptor();
    manifest["layers"] = json!([blobs[2].descriptor()]);
    blobs[0] = Blob::new(&blobs[0].media_type.clone(), manifest.to_string().into_bytes());
    blobs
}

fn gzip(parts: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    parts.into_iter().for_each(|part| encoder.write_all(&part).unwrap());
    encoder.finish().unwrap()
}

/// The header of a file of so many bytes.
fn claim(bytes: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn layers(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let registry = Registry::start(darsena.space());
    let plain = Layer::new().file("noise", noise(1 << 20)).tar();
    let (whole, diff_id) = (gzip([plain.clone()]), digest(&plain));
    let zeros = || std::iter::repeat_with(|| vec![0; 1 << 20]);
    let before = stored(darsena.space());
    let memory = Memory::watch(darsena.pid());
    for (index, (what, words, bytes, diff_id)) in [
        ("truncated", "failed to register layer", whole[..whole.len() - 9].to_vec(), diff_id.as_str()),
        ("cut in the middle", "failed to register layer", whole[..whole.len() / 2].to_vec(), &diff_id),
        ("garbage behind it", "failed to register layer", [&whole[..], b"garbage"].concat(), &diff_id),
        (
            "one bit wrong",
            "failed to register layer",
            {
                let mut bytes = whole.clone();
                bytes[whole.len() / 2] ^= 4;
                bytes
            },
            &diff_id,
        ),
        ("another diff id", "layer has diff id", whole.clone(), &digest(b"x")),
        ("a file of 8 TiB", "exceeds the limit", gzip([claim(8 << 40)].into_iter().chain(zeros().take(64))), &diff_id),
        (
            "less than it says",
            "failed to register layer",
            gzip([claim(1 << 30)].into_iter().chain(zeros().take(64))),
            &diff_id,
        ),
        ("no archive", "failed to register layer", gzip(zeros().take(1).map(|_| noise(1 << 20))), &diff_id),
        ("zeros for ever", "layer has diff id", gzip(zeros().take(512)), &diff_id),
    ]
    .into_iter()
    .enumerate()
    {
        let (repository, tag) = ("faults/layers", index.to_string());
        registry.push_blobs(repository, &tag, &with_layer(bytes, diff_id));
        let error = docker.run(&["pull", &format!("{}/{repository}:{tag}", Registry::ADDRESS)]).fails();
        assert!(error.contains(words), "{what}: {error}");
        nothing_new(darsena, &before, what);
    }
    // A layer larger than any disk.
    let mut blobs = with_layer(whole, &diff_id);
    let mut manifest: Value = serde_json::from_slice(&blobs[0].bytes).unwrap();
    manifest["layers"][0]["size"] = json!(1_u64 << 60);
    blobs[0] = Blob::new(&blobs[0].media_type.clone(), manifest.to_string().into_bytes());
    registry.push_blobs("faults/layers", "large", &blobs);
    let error = docker.run(&["pull", &format!("{}/faults/layers:large", Registry::ADDRESS)]).fails();
    assert!(error.contains("no space left on device"), "{error}");
    nothing_new(darsena, &before, "larger than the disk");
    let grown = memory.grown();
    assert!(grown < ROOM, "the server took {grown} bytes more");
}

fn push_passing(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let registry = Registry::start(darsena.space());
    let name = at("faults/pushed:1");
    let before = stored(darsena.space());
    let image = busybox().layer(Layer::new().file("noise", noise(12 << 20)).file("mark", "pushed"));
    docker.run_with(&["load"], &image.docker_archive(&[&name])).ok();
    let cuts = AtomicUsize::new(0);
    let faulty = Faulty::start(darsena.space(), move |ask| match ask.method.as_str() {
        "POST" if ask.before < 2 => Fault::Answer(Answer::new(429, "").with("Retry-After: 0")),
        "HEAD" if ask.before < 1 => Fault::Answer(Answer::new(502, "")),
        "PATCH" if cuts.fetch_add(1, Ordering::Relaxed) < 2 => Fault::CutRequest(5 << 20),
        "PUT" if ask.path.contains("/manifests/") && ask.before < 1 => Fault::Answer(Answer::new(503, "")),
        "PUT" if ask.path.contains("/manifests/") && ask.before < 2 => Fault::CutAnswer(0),
        _ => Fault::None,
    });
    let digest = pushed_digest(&docker.run(&["push", &name]).ok());
    let asked = faulty.asked();
    let parts: Vec<&str> =
        asked.iter().filter(|ask| ask.method == "PATCH").map(|ask| ask.header("content-range")).collect();
    assert!(parts.len() >= 3, "{parts:?}");
    // Where this registry can't go on, the upload begins anew.
    assert!(asked.iter().any(|ask| ask.is("GET", "/blobs/uploads/")), "it asks how far it got");
    docker.run(&["rmi", &name]).ok();
    assert!(docker.run(&["pull", &name]).ok().contains(&digest));
    assert_eq!(docker.run(&["run", "--rm", &name, "cat", "/mark"]).ok(), "pushed");
    docker.run(&["rmi", &name]).ok();
    nothing_new(darsena, &before, "pushed and removed");
    drop((faulty, registry));
}

fn push_refusals(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let registry = Registry::start(darsena.space());
    let name = at("faults/unpushed:1");
    let before = stored(darsena.space());
    let image = busybox().layer(Layer::new().file("noise", noise(6 << 20)).file("mark", "unpushed"));
    docker.run_with(&["load"], &image.docker_archive(&[&name])).ok();
    let fails = |words: &str, rule: Box<dyn Fn(&Ask) -> Fault + Send + Sync>| {
        let faulty = Faulty::start(darsena.space(), rule);
        let error = docker.run(&["push", &name]).fails();
        assert!(error.contains(words), "{words:?} is not in: {error}");
        let asked = faulty.asked();
        assert!(asked.len() < 80, "{words}: {} requests", asked.len());
    };
    let on = |method: &'static str, answer: Answer| -> Box<dyn Fn(&Ask) -> Fault + Send + Sync> {
        Box::new(move |ask| if ask.method == method { Fault::Answer(answer.clone()) } else { Fault::None })
    };
    let memory = Memory::watch(darsena.pid());
    let token = |ask: &Ask| {
        let token = Answer::new(200, r#"{"token":"t"}"#);
        Fault::Answer(if ask.path.starts_with("/token") { token } else { challenge() })
    };
    fails("denied: requested access to the resource is denied", Box::new(token));
    fails("429 Too Many Requests", on("POST", Answer::new(429, "").with("Retry-After: 0")));
    fails("500 Internal Server Error", on("PATCH", Answer::new(500, "").with("Retry-After: 0").flooding(FLOOD)));
    fails("it redirects an upload", on("POST", Answer::new(307, "").with("Location: /elsewhere")));
    fails("it doesn't say where an upload goes", on("POST", Answer::new(202, "")));
    let astray =
        Answer::new(202, "").with("Location: /v2/faults/unpushed/blobs/uploads/x").with("Range: 0-99999999999");
    fails("it lost count of an upload", on("PATCH", astray));
    let other = format!("Docker-Content-Digest: {}", digest(b"other"));
    fails(&format!("stored {}", digest(b"other")), on("PUT", Answer::new(201, "").with(other)));
    let refused = Answer::new(400, r#"{"errors":[{"code":"MANIFEST_INVALID","message":"not to our taste"}]}"#);
    fails("not to our taste", {
        Box::new(move |ask| if ask.is("PUT", "/manifests/") { Fault::Answer(refused.clone()) } else { Fault::None })
    });
    let grown = memory.grown();
    assert!(grown < ROOM, "the server took {grown} bytes more");
    let error = docker.run(&["pull", &format!("{}/faults/unpushed:1", Registry::ADDRESS)]).fails();
    assert!(error.contains("not found") || error.contains("unknown"), "no half of it is there: {error}");
    docker.run(&["rmi", &name]).ok();
    nothing_new(darsena, &before, "not pushed, and removed");
    drop(registry);
}
