#![allow(clippy::unwrap_used)]

use std::io::Cursor;

use super::{
    super::images::tests::{Place, gzip, tar},
    *,
};

#[tokio::test]
async fn a_file_system_becomes_an_image_however_it_is_compressed() {
    let plain = tar(&[("bin/x", b"x"), ("a", b"a")]);
    let mut layers = Vec::new();
    for stream in [plain.clone(), gzip(&plain), zstd::encode_all(&plain[..], 1).unwrap()] {
        let place = Place::new();
        let request = ImportImage {
            reference: Some("team/os".into()),
            message: "Imported from -".into(),
            platform: Some("linux/arm/v7".into()),
            ..ImportImage::default()
        };
        let id = place.images.import(Cursor::new(stream), &request).unwrap();
        let view = place.images.get("team/os:latest").unwrap();
        assert_eq!((view.summary.id, view.architecture.as_str(), view.variant.as_str()), (id, "arm", "v7"));
        assert_eq!((view.history.len(), view.history[0].comment.as_str()), (1, "Imported from -"));
        assert!(view.summary.created_at.is_some());
        assert_eq!(std::fs::read(place.images.lowers(id).unwrap()[0].join("bin/x")).unwrap(), b"x");
        layers.push(view.layers);
        let Place { folder, images } = place;
        drop(images);
        let again = Place::at(folder);
        assert_eq!(again.images.get("team/os").unwrap().summary.id, id);
        again.images.remove("team/os", false, &[]).await.unwrap();
        assert_eq!(again.leftovers(), Vec::<String>::new());
    }
    layers.dedup();
    assert_eq!(layers.len(), 1, "the layer is that of the tree, not of the stream");
}

#[tokio::test]
async fn what_is_wrong_is_refused_and_leaves_nothing() {
    let place = Place::new();
    let plain = tar(&[("bin/x", &[7; 5000])]);
    let named = |name: &str| ImportImage { reference: Some(name.into()), ..ImportImage::default() };
    for (stream, request) in [
        (plain[..3000].to_vec(), ImportImage::default()),
        (b"no tar at all".repeat(100), ImportImage::default()),
        (plain.clone(), named("UPPER")),
        (plain.clone(), named("a@sha256:0000000000000000000000000000000000000000000000000000000000000000")),
        (plain.clone(), ImportImage { platform: Some("a/b/c/d".into()), ..ImportImage::default() }),
    ] {
        let error = place.images.import(Cursor::new(stream), &request).unwrap_err();
        assert_eq!(error.kind(), crate::error::ErrorKind::Invalid, "{error:?}");
        assert_eq!(place.leftovers(), Vec::<String>::new());
    }
}
