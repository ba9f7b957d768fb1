//! What is fuzzed, and what must hold whatever comes.

use std::{
    fs::{self, File},
    os::{fd::OwnedFd, unix::fs::MetadataExt as _},
    path::Path,
};

use runtime::{
    build::{
        dockerfile::{BuildArgs, Dockerfile, Graph, LintContext, lint},
        ignore::Ignore,
    },
    image::archive::Archive,
    oci::{Config, Document, Platform},
    reference::Reference,
    snapshot::{Limits, Rules, unpack},
};

use crate::Target;

fn nothing_to_mend(_: &mut [u8]) {}

/// Entries of an archive, written below a folder; nothing beside it may change.
pub const TAR: Target = Target {
    name: "tar",
    more: &[],
    words: &[
        "../",
        "/",
        "a/",
        "./",
        ".wh.",
        ".wh..wh..opq",
        "etc",
        "link",
        "outside/canary",
        "../outside/canary",
        "\0",
        "0000644\0",
        "77777777777",
        "\u{80}\0\0\0",
        "path=",
        "linkpath=",
        "size=",
        "SCHILY.xattr.user.x=",
        "GNU.sparse.major=1",
    ],
    most: 64 << 10,
    mend: checksums,
    run: tar,
};

/// Whatever looks like a header gets the checksum it should have.
fn checksums(archive: &mut [u8]) {
    for block in archive.chunks_exact_mut(512).filter(|block| block[257..262] == *b"ustar") {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

fn tar(input: &[u8]) -> bool {
    let place = tempfile::Builder::new().prefix("darsena-fuzz-").tempdir().unwrap();
    let (root, trash, outside) = (place.path().join("fs"), place.path().join("trash"), place.path().join("outside"));
    for folder in [&root, &trash, &outside] {
        fs::create_dir(folder).unwrap();
    }
    let canary = outside.join("canary");
    fs::write(&canary, "alive").unwrap();
    let seen = |path: &Path| {
        let meta = fs::symlink_metadata(path).unwrap();
        (meta.mode(), meta.uid(), meta.gid(), meta.nlink(), meta.ctime(), meta.ctime_nsec(), meta.mtime_nsec())
    };
    let before = (seen(&canary), seen(&outside));
    let open = |path: &Path| OwnedFd::from(File::open(path).unwrap());
    let limits = Limits { entries: 1000, bytes: 1 << 20, ..Limits::default() };
    let layer = unpack(input, &open(&root), Some(&open(&trash)), limits, Rules::layer()).is_ok();
    let context = Rules {
        whiteouts: false,
        devices: false,
        owner: Some((0, 0)),
        newest: Some(0),
        base: b"in".to_vec(),
        live: None,
    };
    let added = unpack(input, &open(&root), None, limits, context).is_ok();
    assert_eq!((seen(&canary), seen(&outside)), before, "something outside was touched");
    assert_eq!(fs::read(&canary).unwrap(), b"alive");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 3, "something is beside the root");
    assert_eq!(fs::read_dir(&trash).unwrap().count(), 0, "the trash was not emptied");
    layer || added
}

/// Parsing, the graph, the checks; what was parsed prints as it parses.
pub const DOCKERFILE: Target = Target {
    name: "dockerfile",
    more: &[("build/dockerfiles", ".dockerfile")],
    words: &[
        "FROM ",
        "\nRUN ",
        "\nCOPY ",
        "\nADD ",
        "\nARG ",
        "\nENV ",
        "\nLABEL ",
        "\nONBUILD ",
        "\nHEALTHCHECK ",
        "\nCMD ",
        "\nSHELL ",
        "\nEXPOSE ",
        " AS ",
        "--from=",
        "--mount=type=",
        "--chmod=",
        "<<EOF\n",
        "\nEOF\n",
        "\\\n",
        "`",
        "${",
        "}",
        "${x:-",
        "${x##",
        "${x//",
        "$x",
        "[\"",
        "\"]",
        "# escape=`\n",
        "# check=",
        "'",
        "\u{feff}",
        "\u{a0}",
        "\0",
        "scratch",
    ],
    most: 16 << 10,
    mend: nothing_to_mend,
    run: dockerfile,
};

fn dockerfile(input: &[u8]) -> bool {
    let Ok(file) = Dockerfile::parse(input) else { return false };
    let printed = file.to_string();
    let again = Dockerfile::parse(printed.as_bytes()).unwrap_or_else(|error| panic!("{error}\nin {printed:?}"));
    assert_eq!(again.to_string(), printed);
    let args = BuildArgs::new([("x".to_owned(), "a/b*c".to_owned())], "linux/arm/v7", "linux/amd64");
    for finding in lint(&file, LintContext { build_args: Some(&args), ..LintContext::default() }) {
        assert!(!file.excerpt(finding.location).is_empty());
    }
    let Ok(graph) = Graph::new(&file, &args, None) else { return true };
    let mut built = std::collections::BTreeSet::new();
    for planned in graph.needed() {
        assert!(planned.needs.is_subset(&built), "a stage comes before one that it needs");
        built.insert(planned.index);
        let mut scope = graph.scope();
        for one in &file.stages[planned.index].instructions {
            let _ = scope.apply(&one.node);
            let _ = scope.expand_words(&one.original);
            let _ = scope.expand_document(&one.original);
        }
        scope.run_env();
    }
    true
}

/// Names of images; what people see means the same.
pub const REFERENCE: Target = Target {
    name: "reference",
    more: &[],
    words: &[
        "docker.io/",
        "library/",
        "localhost",
        "127.0.0.1:5000",
        "[::1]:5000",
        ":latest",
        "@sha256:",
        "__",
        ".",
        "-",
        "/",
        ":",
        "index.docker.io/",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    ],
    most: 1024,
    mend: nothing_to_mend,
    run: reference,
};

fn reference(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let Ok(reference) = text.parse::<Reference>() else { return false };
    for shown in [reference.to_string(), reference.familiar()] {
        assert_eq!(shown.parse::<Reference>().as_ref(), Ok(&reference), "{shown}");
    }
    assert!(!reference.path().split('/').any(|part| matches!(part, "" | "." | "..")), "{text:?}");
    let named = reference.or_latest();
    assert_eq!(named.clone().or_latest(), named);
    assert_eq!(named.exact().to_string().parse::<Reference>().as_ref(), Ok(&named.exact()));
    true
}

/// Manifests, indexes, configs.
pub const MANIFEST: Target = Target {
    name: "manifest",
    more: &[],
    words: &[
        "\"mediaType\":",
        "\"config\":",
        "\"layers\":[",
        "\"manifests\":[",
        "null",
        "{}",
        "[]",
        "-1",
        "18446744073709551616",
        "\"platform\":{",
        "\"digest\":\"sha256:",
        "\"rootfs\":",
        "\"diff_ids\":[",
        "\"config\":{\"Env\":[",
        "\"Healthcheck\":{",
        "\"ExposedPorts\":{\"",
        "\"created\":\"",
        "1e400",
        "\\ud800",
    ],
    most: 16 << 10,
    mend: nothing_to_mend,
    run: manifest,
};

fn manifest(input: &[u8]) -> bool {
    let platform = Platform::host();
    let document = Document::parse(input);
    match &document {
        Ok(Document::Manifest(manifest)) => assert!(manifest.layers.len() <= runtime::oci::MAX_LAYERS),
        Ok(Document::Index(index)) => {
            if let Some(chosen) = index.choose(&platform) {
                assert!(chosen.platform.as_ref().is_none_or(|offered| platform.accepts(offered)));
            }
        }
        Err(_) => {}
    }
    let config = Config::parse(input);
    if let Ok(config) = &config {
        assert_eq!(config.chains().len(), config.diff_ids().len());
        config.defaults();
        config.created_at();
        config.platform().to_string();
        let _ = config.history.iter().filter_map(runtime::oci::History::created_at).count();
    }
    document.is_ok() || config.is_ok()
}

/// An ignore file; its last line is a path that is asked about.
pub const IGNORE: Target = Target {
    name: "ignore",
    more: &[],
    words: &[
        "**/", "*", "**", "!", "?", "[a-z]", "[^", "]", "\\", "/", "../", "./", "# ", "\n", "a/", ".git", "\u{feff}",
        "*a*a*a*a",
    ],
    most: 4 << 10,
    mend: nothing_to_mend,
    run: ignore,
};

fn ignore(input: &[u8]) -> bool {
    let (file, path) = match input.iter().rposition(|byte| *byte == b'\n') {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, &b"a/b/c"[..]),
    };
    let Ok(ignore) = Ignore::parse(file) else { return false };
    let path: Vec<&[u8]> =
        path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"." | b"..")).collect();
    let whole = path.join(&b'/');
    let excluded = ignore.excludes(&whole);
    assert!(!(excluded && ignore.is_empty()));
    // What is kept in a folder that is not must be found by walking that folder.
    for depth in 1..path.len() {
        let above = path[..depth].join(&b'/');
        if !excluded && ignore.excludes(&above) {
            assert!(ignore.may_keep_below(&above), "{} would not be found", String::from_utf8_lossy(&whole));
        }
    }
    true
}

/// Archives of images, as `docker load` reads them.
pub const ARCHIVE: Target = Target {
    name: "archive",
    more: &[],
    words: &[
        "manifest.json",
        "index.json",
        "oci-layout",
        "blobs/sha256/",
        "[{\"Config\":\"",
        "\"RepoTags\":[\"",
        "\"Layers\":[\"",
        "layer.tar",
        "../",
        "\"mediaType\":",
        "\"manifests\":[",
        "null",
        "[]",
        "\0",
    ],
    most: 64 << 10,
    mend: checksums,
    run: archive,
};

fn archive(input: &[u8]) -> bool {
    let place = tempfile::Builder::new().prefix("darsena-fuzz-").tempdir().unwrap();
    let stage = place.path().join("stage");
    fs::create_dir(&stage).unwrap();
    let Ok(archive) = Archive::read(input, &stage) else { return false };
    for entry in fs::read_dir(&stage).unwrap() {
        let entry = entry.unwrap();
        assert!(entry.file_type().unwrap().is_file() && entry.file_name().to_str().unwrap().parse::<usize>().is_ok());
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "something is beside the folder");
    for found in archive.images(&Platform::host()).into_iter().flatten() {
        assert!(found.layers.iter().all(|(_, stored)| stored.path.starts_with(&stage)));
    }
    true
}
