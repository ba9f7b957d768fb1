//! A registry with certificates of an authority nobody else knows, that wants to see one of ours too.

use std::{fs, path::Path};

use harness::{
    Darsena, Guarded, Registry, Settings, Space, Suite,
    image::{Layer, busybox},
};

use crate::pushed_digest;

pub fn tests(suite: Suite) -> Suite {
    suite.alone("certificates_are_found_by_the_registrys_host", certificates)
}

/// An authority, and a certificate of it for the registry and for us, as PEM files.
fn make(space: &Space, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let file = |name: &str| folder.join(name).display().to_string();
    let openssl = |arguments: &[&str]| space.output("openssl", arguments);
    let subject = |name: &str| format!("/CN={name}");
    openssl(&[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        &subject("Test authority"),
        "-addext",
        "basicConstraints=critical,CA:true",
        "-keyout",
        &file("ca.key"),
        "-out",
        &file("ca.pem"),
    ]);
    for (name, usage) in [("server", "serverAuth"), ("client", "clientAuth")] {
        openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            &subject(name),
            "-keyout",
            &file(&format!("{name}.key")),
            "-out",
            &file("request.pem"),
        ]);
        fs::write(
            folder.join("extensions"),
            format!("basicConstraints=CA:false\nsubjectAltName=IP:192.0.2.1\nextendedKeyUsage={usage}\n"),
        )
        .unwrap();
        openssl(&[
            "x509",
            "-req",
            "-in",
            &file("request.pem"),
            "-CA",
            &file("ca.pem"),
            "-CAkey",
            &file("ca.key"),
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            &file("extensions"),
            "-out",
            &file(&format!("{name}.pem")),
        ]);
    }
}

fn certificates() {
    let mut darsena = Darsena::start();
    let certificates = darsena.space().side().join("certs.d");
    let arguments = vec!["--registry-certs".to_owned(), certificates.display().to_string()];
    darsena.restart_with(&Settings { arguments, ..Settings::default() });
    let made = darsena.space().side().join("made");
    make(darsena.space(), &made);
    let docker = darsena.docker();
    let tls = Some([made.join("server.pem"), made.join("server.key"), made.join("ca.pem")]);
    let _registry = Registry::start_guarded(darsena.space(), &Guarded { basic: false, tls });
    let image = busybox().layer(Layer::new().file("sealed", "cargo"));
    let name = format!("{}/sealed/app:1", Registry::TLS_ADDRESS);
    docker.run_with(&["load"], &image.docker_archive(&[&name])).ok();
    let error = docker.run(&["push", &name]).fails();
    assert!(error.contains("certificate") || error.contains("Issuer"), "nobody vouches for it: {error}");
    let own = certificates.join(Registry::TLS_ADDRESS);
    fs::create_dir_all(&own).unwrap();
    fs::copy(made.join("ca.pem"), own.join("ca.crt")).unwrap();
    let error = docker.run(&["push", &name]).fails();
    // The refusal comes as an alert or as an end, whichever is read first.
    let refused = ["certificate", "closed", "reset"].iter().any(|word| error.to_lowercase().contains(word));
    assert!(refused, "it wants to see one: {error}");
    fs::copy(made.join("client.pem"), own.join("us.cert")).unwrap();
    let error = docker.run(&["push", &name]).fails();
    assert!(error.contains("us.key"), "half of a pair is said: {error}");
    fs::copy(made.join("client.key"), own.join("us.key")).unwrap();
    let digest = pushed_digest(&docker.run(&["push", &name]).ok());
    docker.run(&["rmi", &name]).ok();
    assert!(docker.run(&["pull", &name]).ok().contains(&digest));
    assert_eq!(docker.run(&["run", "--rm", &name, "cat", "/sealed"]).ok(), "cargo");
}
